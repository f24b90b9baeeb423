/* server.c - see server.h. */
#include "server.h"

#include "page.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 32768u

struct server {
	struct MHD_Daemon *daemon;
	struct collector *collector;
	unsigned port;
};

/*
 * One for each request. The collector's thread writes `fleet` and `answered` before it resumes the
 * connection, the server's reads them after: libmicrohttpd has a lock between the two.
 */
struct request {
	struct waiter waiter; /* first: it is what the collector hands back */
	struct MHD_Connection *connection;
	struct fleet *fleet;
	bool answered;
};

/* ---- answers ---- */

static enum MHD_Result say(struct MHD_Connection *c, unsigned status, const char *text)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", "text/plain; charset=utf-8");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, "Allow", "GET");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(r, "Retry-After", "1");
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static ssize_t read_page(void *arg, uint64_t pos, char *buf, size_t max)
{
	long n = page_fill(arg, buf, max);

	(void)pos;
	/* An answer that is cut off must not look like a whole one. */
	if (n < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return n ? n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_page(void *arg)
{
	page_end(arg);
	free(arg);
}

/* Takes over the reference. */
static enum MHD_Result say_page(struct MHD_Connection *c, struct fleet *fleet)
{
	enum page_format format =
		page_choose(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Accept"));
	struct page *p = malloc(sizeof(*p));
	struct MHD_Response *r;
	enum MHD_Result result;

	if (!p) {
		fleet_put(fleet);
		return MHD_NO;
	}
	page_begin(p, fleet, format);
	r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, read_page, p, free_page);
	if (!r) {
		free_page(p);
		return MHD_NO;
	}
	MHD_add_response_header(r, "Content-Type", page_type(format));
	result = MHD_queue_response(c, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return result;
}

/* ---- requests ---- */

static void answered(struct waiter *w, struct fleet *fleet)
{
	struct request *r = (struct request *)w;

	r->fleet = fleet;
	r->answered = true;
	MHD_resume_connection(r->connection);
}

static enum MHD_Result metrics(struct server *s, struct request *r)
{
	struct fleet *fleet = r->answered ? r->fleet : collector_fresh(s->collector);

	r->fleet = NULL;
	if (fleet)
		return say_page(r->connection, fleet);
	if (r->answered)
		return say(r->connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			   "processes cannot be looked at now\n");
	/* Before anybody can resume it. */
	MHD_suspend_connection(r->connection);
	if (collector_wait(s->collector, &r->waiter))
		return MHD_YES;
	answered(&r->waiter, NULL);
	return MHD_YES;
}

static enum MHD_Result answer(struct server *s, struct request *r, const char *url,
			      const char *method)
{
	if (strcmp(method, "GET") != 0)
		return say(r->connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (!strcmp(url, "/metrics"))
		return metrics(s, r);
	if (!strcmp(url, "/healthz"))
		return say(r->connection, MHD_HTTP_OK, "ok\n");
	return say(r->connection, strcmp(url, "/") != 0 ? MHD_HTTP_NOT_FOUND : MHD_HTTP_OK,
		   "memcg export: /metrics, /healthz\n");
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct request *r = *state;

	(void)version;
	(void)upload;
	if (!r) {
		/* Headers are there; an answer may be given from the next call on. */
		*state = r = calloc(1, sizeof(*r));
		if (!r)
			return MHD_NO;
		r->waiter.call = answered;
		r->connection = connection;
		/* But a body that nobody wants is not waited for. */
		return strcmp(method, "GET") != 0 ? answer(arg, r, url, method) : MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	return answer(arg, r, url, method);
}

static void on_end(void *arg, struct MHD_Connection *connection, void **state,
		   enum MHD_RequestTerminationCode how)
{
	struct request *r = *state;

	(void)arg;
	(void)connection;
	(void)how;
	if (r)
		fleet_put(r->fleet);
	free(r);
	*state = NULL;
}

/* ---- the daemon ---- */

/* Bound here: libmicrohttpd does not say why it could not. */
static int listen_at(const struct sockaddr *to, char *why, size_t size)
{
	socklen_t length = to->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						     : sizeof(struct sockaddr_in);
	int one = 1, fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
	    !bind(fd, to, length) && !listen(fd, SOMAXCONN))
		return fd;
	snprintf(why, size, "cannot listen there: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void be_quiet(void *arg, const char *fmt, va_list ap)
{
	/* Clients that go away are no news, and a flood of them none a thousand times. */
	(void)arg;
	(void)fmt;
	(void)ap;
}

static struct MHD_Daemon *start_daemon(struct server *s, int fd)
{
	return MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
		NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, be_quiet, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, SERVER_SILENCE, MHD_OPTION_NOTIFY_COMPLETED, on_end,
		NULL, MHD_OPTION_END);
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage at = {0};
	socklen_t length = sizeof(at);

	getsockname(fd, (struct sockaddr *)&at, &length);
	return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
					      : ((struct sockaddr_in *)&at)->sin_port);
}

struct server *server_start(const struct sockaddr *to, struct collector *c, char *why, size_t size)
{
	struct server *s = calloc(1, sizeof(*s));
	int fd = s ? listen_at(to, why, size) : -1;

	if (!s)
		snprintf(why, size, "no memory");
	if (fd < 0) {
		free(s);
		return NULL;
	}
	s->collector = c;
	s->port = port_of(fd);
	s->daemon = start_daemon(s, fd);
	if (s->daemon)
		return s;
	snprintf(why, size, "libmicrohttpd does not start");
	close(fd);
	free(s);
	return NULL;
}

void server_stop(struct server *s)
{
	MHD_stop_daemon(s->daemon);
	free(s);
}

unsigned server_port(const struct server *s)
{
	return s->port;
}
