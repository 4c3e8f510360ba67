/*
 * request_end.c
 *		The end of a request: it is counted, and has its line in the log.
 *
 * A token, a query string or a body must never get here.
 */
#include "request.h"

#include "clock.h"
#include "log.h"
#include "peer.h"

/* Lines about answers of 500 and above, per second and worker. */
#define LOG_ERRORS_PER_SECOND 20

bool
request_may_log_error(Http *http)
{
	int64_t second = clock_us() / CLOCK_US_PER_S;

	if (second != http->log_second)
	{
		if (http->log_suppressed > 0)
			log_event(LOG_NOTICE, "%u more lines about answers of 500 and above were left out",
					  http->log_suppressed);
		http->log_second = second;
		http->log_lines = http->log_suppressed = 0;
	}
	if (http->log_lines++ < LOG_ERRORS_PER_SECOND)
		return true;
	http->log_suppressed++;
	counter_add(&http->settings.counters->log_suppressed, 1);
	return false;
}

static void
describe_client(const Request *request, char text[PEER_TEXT_MAX])
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	peer_text(text, info != NULL ? info->client_addr : NULL);
}

/* How long it waited in the lane and for the database; -1 for what it did not come to. */
static void
add_times(LogRequest *line, const LaneJob *job)
{
	line->queue_us = line->database_us = -1;
	if (job->ended == 0)
		return;
	line->queue_us = (job->sent != 0 ? job->sent : job->ended) - job->submitted;
	if (job->sent != 0)
		line->database_us = job->ended - job->sent;
}

static void
write_line(const Request *request, const RequestEnd *end, LogLevel level, int64_t duration_us)
{
	const Route *route = request->match.route;
	char client[PEER_TEXT_MAX];
	LogRequest line = {.id = request->id,
					   .method = request->method,
					   .route = route != NULL ? route->pattern : NULL,
					   .path = request->path,
					   .name = end->error,
					   .client = client,
					   .status = end->status,
					   .duration_us = duration_us,
					   .body_bytes = end->body_bytes,
					   .has_account = end->caller.known,
					   .account_id = end->caller.account,
					   .token_id = end->caller.token};

	describe_client(request, client);
	add_times(&line, &request->job);
	log_request(level, &line);
}

/* The row that took it; a path with another method is none's. */
static const Route *
row_of(const Request *request)
{
	return request->match.found ? request->match.route : NULL;
}

void
request_end(const Request *request, const RequestEnd *end)
{
	LogLevel level = end->status >= 500 && end->status < 505 ? LOG_NOTICE : LOG_INFO;
	int64_t duration_us = clock_us() - request->started;

	counters_request(request->http->settings.counters, row_of(request), end->status, duration_us,
					 end->body_bytes);
	if (!log_enabled(level))
		return;
	if (level == LOG_NOTICE && !log_enabled(LOG_INFO) && !request_may_log_error(request->http))
		return;
	write_line(request, end, level, duration_us);
}
