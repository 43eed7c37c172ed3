/* daemon/version.h - what `--version` and `status` say. */
#pragma once
#define RINGLET_VERSION "0.1.0"
