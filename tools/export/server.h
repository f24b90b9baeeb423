/*
 * server.h - HTTP: /metrics, /healthz, and nothing else.
 *
 * One thread of libmicrohttpd serves all connections, and never waits: a request for /metrics is
 * suspended until the collector has a fleet. Bounds: CONNECTIONS of them with MEMORY bytes
 * each, the rest waits in the system's queue; who neither sends nor takes anything for SILENCE
 * seconds is closed, which is what becomes of half requests.
 */
#ifndef MEMCG_EXPORT_SERVER_H
#define MEMCG_EXPORT_SERVER_H

#include "collector.h"

#include <sys/socket.h>

#define SERVER_CONNECTIONS 128u
#define SERVER_MEMORY	   16384u
#define SERVER_SILENCE	   5u

struct server;

/* NULL: *why says so. */
struct server *server_start(const struct sockaddr *to, struct collector *c, char *why, size_t size);
void server_stop(struct server *s);
/* The port it has. */
unsigned server_port(const struct server *s);

#endif
