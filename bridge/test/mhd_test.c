/*
 * mhd_test.c
 *		Which libmicrohttpd this build can run with.
 */
#include "mhd.h"

#include "suites.h"
#include "test.h"

void
test_mhd_suite(void)
{
	CHECK(mhd_fits(MHD_get_version()));
	CHECK(mhd_fits("0.9.75") != mhd_fits("1.0.1"));
	CHECK(mhd_fits("0.9.77") == mhd_fits("0.9.75"));
	CHECK(mhd_fits("1.0.0") == mhd_fits("1.1.0"));
}
