/*
 * resp.c - libFuzzer: what clients send to examples/tenantd. `make fuzz SECONDS=600`.
 *
 * The first bytes of an input say how the rest is cut into reads and fragments; the rest is what a
 * client sends. It is parsed twice: in one fragment at once, and cut up as it comes. Then:
 *   - both found the same requests, word for word, and the same end: all of it, or the same error;
 *   - no word is longer than what was sent, nor outside of its fragments (pages end where ASan
 * looks);
 *   - nothing is left charged, whatever was left unfinished, and all pages are home.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../examples/tenantd/input.c"
#include "../examples/tenantd/resp.c"
#include "check.h"

#define CUTS 8

static struct memcg_pool *pool;
static struct memcg *group;

/* What a parser found: requests as "words, each with its length". */
struct found {
	char *text;
	size_t length, requests;
	const char *error;
	char why[RESP_LINE];
};

static void note(struct found *f, const void *bytes, size_t n)
{
	f->text = realloc(f->text, f->length + n + 1);
	CHECK(f->text);
	memcpy(f->text + f->length, bytes, n);
	f->length += n;
}

static void note_request(struct found *f, const struct resp *r, const struct input *in, size_t sent)
{
	note(f, &r->args, sizeof(r->args));
	for (uint32_t i = 0; i < r->args; i++) {
		const struct slice *s = &r->arg[i];
		char *copy = malloc(s->length + 1);

		CHECK(copy && s->length <= sent);
		if (s->length)
			slice_copy(in, s, copy);
		CHECK(!s->bytes || !s->length || !memcmp(s->bytes, copy, s->length));
		note(f, &s->length, sizeof(s->length));
		note(f, copy, s->length);
		free(copy);
	}
	f->requests++;
}

static bool parse(struct resp *r, struct input *in, struct found *f, size_t sent)
{
	enum resp_result result;

	while ((result = resp_next(r, in)) == RESP_REQUEST) {
		note_request(f, r, in, sent);
		resp_end(r);
	}
	if (result == RESP_ERROR) {
		snprintf(f->why, sizeof(f->why), "%s", r->error);
		f->error = f->why;
	}
	input_drop(in, &r->at);
	return result == RESP_MORE;
}

/* As a read would bring it. */
static void add(struct input *in, const uint8_t *bytes, size_t n)
{
	struct memcg_frag *frag;

	CHECK(!make_room(in, 1));
	frag = &in->frag[in->count++];
	CHECK(memcg_pool_alloc(pool, group, frag, 1) == 1);
	frag->offset = PAGE - (uint32_t)n;
	frag->length = (uint32_t)n;
	memcpy((char *)memcg_page_address(frag->page) + frag->offset, bytes, n);
}

static struct found run(const uint8_t *data, size_t size, const uint8_t *cut, size_t cuts)
{
	struct found f = {0};
	struct input in;
	struct resp r;
	bool more = true;

	input_init(&in);
	resp_init(&r);
	for (size_t at = 0, i = 0; at < size && more; i++) {
		size_t n = cuts ? (size_t)(cut[i % cuts] & 127) + 1 : size;

		n = n < size - at ? n : size - at;
		add(&in, data + at, n);
		at += n;
		if (!cuts || cut[i % cuts] & 128 || at == size)
			more = parse(&r, &in, &f, at);
	}
	resp_end(&r);
	input_clear(&in);
	return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memcg_pool_stat stat;
	struct found whole, cut;
	struct memcg *before;

	if (size <= CUTS || size > PAGE)
		return 0;
	if (!pool) {
		pool = memcg_pool_create(NULL);
		group = memcg_create(NULL, "fuzz");
		CHECK(pool && group);
	}
	before = memcg_enter(group);
	whole = run(data + CUTS, size - CUTS, NULL, 0);
	cut = run(data + CUTS, size - CUTS, data, CUTS);
	memcg_leave(before);
	CHECK(whole.length == cut.length && whole.requests == cut.requests);
	CHECK(!whole.length || !memcmp(whole.text, cut.text, whole.length));
	CHECK(!whole.error == !cut.error && !strcmp(whole.why, cut.why));
	free(whole.text);
	free(cut.text);
	CHECK(!memcg_pool_stat(pool, &stat, sizeof(stat)) && !stat.out);
	CHECK(memcg_current(group) == memcg_slack(group));
	return 0;
}
