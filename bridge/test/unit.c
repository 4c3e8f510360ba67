/*
 * unit.c
 *		Runs the suites of the pure rooms, the options, sockets, log, counters and memory.
 */
#include "suites.h"
#include "test.h"

int
main(void)
{
	test_text_suite();
	test_text_array_suite();
	test_json_text_suite();
	test_header_suite();
	test_hosts_suite();
	test_raw_head_suite();
	test_route_suite();
	test_target_suite();
	test_status_suite();
	test_refusal_suite();
	test_session_suite();
	test_error_body_suite();
	test_uuid_suite();
	test_listen_suite();
	test_options_suite();
	test_timing_suite();
	test_peer_suite();
	test_log_suite();
	test_metrics_suite();
	test_privileges_suite();
	test_connections_suite();
	test_idle_memory_suite();
	test_peers_suite();
	test_mhd_suite();
	test_tls_suite();
	return test_finish();
}
