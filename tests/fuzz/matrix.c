/* sim/matrix.h: a file that parses is square and bounded; another is refused by file and line. */
#include "sim/matrix.h"
#include "base/err.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[SCENARIO_ERROR] = "";
    struct matrix m;
    if (!matrix_parse(&m, "fuzz.txt", (const char *)data, size, error)) {
        ensure(strncmp(error, "fuzz.txt:", 9) == 0 && strchr(error, '\n') == NULL);
        ensure(m.one_way_us == NULL);
        return 0;
    }
    ensure(m.size > 0 && m.size <= MATRIX_MAX);
    for (size_t i = 0; i < (size_t)m.size * m.size; i++) ensure(m.one_way_us[i] <= 30000000u);
    for (size_t i = 0; i < m.size; i++) ensure(m.one_way_us[i * m.size + i] > 0);
    matrix_free(&m);
    return 0;
}
