// SPDX-License-Identifier: GPL-2.0-only
/* Runs the tests: a line each. Exit status: 1 if one failed. */
#include "codec.h"

#include <stdarg.h>
#include <unistd.h>

#define REASONS_MAX 5
#define SECONDS_MAX 120	/* of one test: a parser that does not end is a failure */

static u32 reasons;

void codec_fail(const char *format, ...)
{
	va_list args;

	if (reasons++ >= REASONS_MAX)
		return;
	printf("    | ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

static int run(const struct codec_test *test)
{
	int failed = 0;

	for (; test->name; test++) {
		reasons = 0;
		alarm(SECONDS_MAX);
		test->run();
		failed += !!reasons;
		printf("%s %s\n", reasons ? "FAIL" : "ok", test->name);
		fflush(stdout);
	}
	return failed;
}

int main(void)
{
	return run(golden_tests) + run(malformed_tests) + run(exhaustive_tests) ? 1 : 0;
}
