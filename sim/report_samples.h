/* sim/report_samples.h - results as files: CSV, and pictures of them through gnuplot.
 *
 *   samples.csv   over time: live nodes, share with right neighbours, look-ups, bytes and datagrams a node and second
 *   hops.csv latency.csv stretch.csv   of look-ups answered rightly: value, share of them at most that
 *   upkeep.csv    by message type, in the upkeep's window
 *   links.csv     links' ends by path, at the end
 *   plots.gp, *.svg   with plots: what gnuplot was told, and what it drew
 *
 * docs/simulation.md describes the columns. Owns: nothing. Errors: false, and a message. */
#pragma once
#include "sim/report.h"

bool report_folder(const char *dir, char error[SCENARIO_ERROR]); /* made, if it is not there */
bool report_csv(const char *dir, const struct results *r, char error[SCENARIO_ERROR]);
bool report_plots_can(char error[SCENARIO_ERROR]); /* is gnuplot there? */
bool report_plots(const char *dir, const struct scenario *s, const struct results *r,
                  char error[SCENARIO_ERROR]);
