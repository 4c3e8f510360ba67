/*
 * http_limit.c
 *		libmicrohttpd alone: one epoll loop that answers every request with the
 *		same body.  What no server on this library can exceed.
 *
 * A contender of the benchmark, not part of the product.  Usage: http_limit
 * FILE; the file is the body.  Says on standard output where it listens.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 2048
#define BODY_MAX        (16 * 1024 * 1024)

static enum MHD_Result
answer(void *response, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *upload_data, size_t *upload_data_size, void **state)
{
	(void) url;
	(void) method;
	(void) version;
	(void) upload_data;
	(void) upload_data_size;

	/* Answered in the first call, the connection would not be kept alive. */
	if (*state == NULL)
	{
		*state = response;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

static struct MHD_Response *
read_response(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *body = malloc(BODY_MAX);
	struct MHD_Response *response;
	size_t len;

	if (file == NULL || body == NULL)
		return NULL;
	len = fread(body, 1, BODY_MAX, file);
	fclose(file);
	response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, "Content-Type", "application/json; charset=utf-8");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	return response;
}

/* Listens at a free port of 127.0.0.1. */
static int
listen_somewhere(in_port_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *) &address, len) != 0 || listen(fd, 1024) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &len) != 0)
		return -1;
	*port = ntohs(address.sin_port);
	return fd;
}

static void
serve(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd watch = {.fd = info->epoll_fd, .events = POLLIN};

	for (;;)
	{
		MHD_UNSIGNED_LONG_LONG timeout;
		int wait = MHD_get_timeout(daemon, &timeout) == MHD_YES ? (int) timeout : -1;

		poll(&watch, 1, wait);
		MHD_run(daemon);
	}
}

int
main(int argc, char **argv)
{
	struct MHD_Response *response = argc == 2 ? read_response(argv[1]) : NULL;
	struct MHD_Daemon *daemon;
	in_port_t port;
	int fd = listen_somewhere(&port);

	if (response == NULL || fd < 0)
		return EXIT_FAILURE;
	daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, response,
							  MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
							  CONNECTIONS_MAX, MHD_OPTION_END);
	if (daemon == NULL)
		return EXIT_FAILURE;
	printf("listening on 127.0.0.1:%u\n", port);
	fflush(stdout);
	serve(daemon);
}
