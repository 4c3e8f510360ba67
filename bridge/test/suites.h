/*
 * suites.h
 *		The suites that run in one program, with the real libraries.
 */
#ifndef PAT_BRIDGE_TEST_SUITES_H
#define PAT_BRIDGE_TEST_SUITES_H

extern void test_text_suite(void);
extern void test_text_array_suite(void);
extern void test_json_text_suite(void);
extern void test_header_suite(void);
extern void test_hosts_suite(void);
extern void test_raw_head_suite(void);
extern void test_route_suite(void);
extern void test_target_suite(void);
extern void test_status_suite(void);
extern void test_refusal_suite(void);
extern void test_session_suite(void);
extern void test_error_body_suite(void);
extern void test_uuid_suite(void);
extern void test_listen_suite(void);
extern void test_options_suite(void);
extern void test_timing_suite(void);
extern void test_peer_suite(void);
extern void test_log_suite(void);
extern void test_metrics_suite(void);
extern void test_privileges_suite(void);
extern void test_connections_suite(void);
extern void test_idle_memory_suite(void);
extern void test_peers_suite(void);
extern void test_mhd_suite(void);
extern void test_tls_suite(void);

#endif
