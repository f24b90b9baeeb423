/* cfi.c - reading unwind tables. Theory in cfi.h. */
#include "cfi.h"

#include <stddef.h>
#include <string.h>

/* Registers, as DWARF numbers them. */
enum { RBP = 6, RSP = 7, RETURN = 16 };

/* Encodings of pointers that this reads: all there are in what gcc, clang and their linkers make.
 */
enum { PCREL_SDATA4 = 0x1b, DATAREL_SDATA4 = 0x3b, UDATA4 = 0x03 };

#define REMEMBERED 8

/* What is known of a frame at one address. */
struct row {
	unsigned cfa; /* a register; 0: an expression, which nobody follows */
	int64_t offset;
	int64_t saved_rbp; /* from the CFA; 0: not saved */
	bool rbp_known;
	bool outermost; /* there is no caller */
};

struct machine {
	const uint8_t *at, *end;
	uintptr_t loc, pc;
	uint64_t code_align;
	int64_t data_align;
	struct row row, initial, stack[REMEMBERED];
	unsigned depth;
	bool bad;
};

/* ---- numbers ------------------------------------------------------------------- */

static uint64_t take(struct machine *m, unsigned bytes)
{
	uint64_t n = 0;

	if ((size_t)(m->end - m->at) < bytes) {
		m->bad = true;
		return 0;
	}
	memcpy(&n, m->at, bytes);
	m->at += bytes;
	return n;
}

/* LEB128: seven bits a byte, the lowest first; the highest of a signed one is its sign. */
static uint64_t take_leb(struct machine *m, bool is_signed)
{
	uint64_t n = 0, byte;
	unsigned shift = 0;

	do {
		byte = take(m, 1);
		if (shift < 64)
			n |= (byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (is_signed && shift < 64 && byte & 0x40)
		n |= ~0ull << shift;
	return n;
}

static uint64_t take_uleb(struct machine *m)
{
	return take_leb(m, false);
}

static int64_t take_sleb(struct machine *m)
{
	return (int64_t)take_leb(m, true);
}

/* ---- the program of a frame ----------------------------------------------------- */

static void saved_at(struct machine *m, uint64_t reg, int64_t offset)
{
	if (reg == RBP) {
		m->row.saved_rbp = offset;
		m->row.rbp_known = true;
	} else if (reg == RETURN && offset != -8) {
		m->row.cfa =
			0; /* not where a call puts it: signal frames, stacks that were switched */
	}
}

static void same(struct machine *m, uint64_t reg)
{
	if (reg == RBP)
		saved_at(m, RBP, 0);
}

static void unknown(struct machine *m, uint64_t reg)
{
	if (reg == RBP)
		m->row.rbp_known = false;
	else if (reg == RETURN)
		m->row.outermost = true;
}

static void restore(struct machine *m, uint64_t reg)
{
	if (reg == RBP) {
		m->row.saved_rbp = m->initial.saved_rbp;
		m->row.rbp_known = m->initial.rbp_known;
	} else if (reg == RETURN) {
		m->row.outermost = m->initial.outermost;
	}
}

static void define_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->row.cfa = reg == RBP || reg == RSP ? (unsigned)reg : 0;
	m->row.offset = offset;
}

static void remember(struct machine *m)
{
	if (m->depth == REMEMBERED)
		m->bad = true;
	else
		m->stack[m->depth++] = m->row;
}

static void recall(struct machine *m)
{
	if (!m->depth)
		m->bad = true;
	else
		m->row = m->stack[--m->depth];
}

static void skip_block(struct machine *m)
{
	uint64_t bytes = take_uleb(m);

	if (bytes > (uint64_t)(m->end - m->at))
		m->bad = true;
	else
		m->at += bytes;
}

/* Saved where an expression says: for rbp and the return address that is nowhere we look. */
static void by_expression(struct machine *m)
{
	uint64_t reg = take_uleb(m);

	skip_block(m);
	if (reg == RETURN)
		m->row.cfa = 0;
	else
		unknown(m, reg);
}

static void advance(struct machine *m, uint64_t delta)
{
	m->loc += delta * m->code_align;
}

/* Instructions whose opcode is a whole byte. The arguments are taken in the order they stand in. */
static void step_plain(struct machine *m, unsigned op)
{
	uint64_t reg;

	switch (op) {
	case 0x00: /* nop */
		return;
	case 0x02: /* advance_loc1, 2, 4 */
	case 0x03:
	case 0x04:
		advance(m, take(m, 1u << (op - 2)));
		return;
	case 0x05: /* offset_extended */
		reg = take_uleb(m);
		saved_at(m, reg, (int64_t)take_uleb(m) * m->data_align);
		return;
	case 0x06: /* restore_extended */
		restore(m, take_uleb(m));
		return;
	case 0x07: /* undefined */
		unknown(m, take_uleb(m));
		return;
	case 0x08: /* same_value */
		same(m, take_uleb(m));
		return;
	case 0x09: /* register: in another one */
		reg = take_uleb(m);
		take_uleb(m);
		unknown(m, reg);
		return;
	case 0x0a:
		remember(m);
		return;
	case 0x0b:
		recall(m);
		return;
	case 0x0c: /* def_cfa */
		reg = take_uleb(m);
		define_cfa(m, reg, (int64_t)take_uleb(m));
		return;
	case 0x0d: /* def_cfa_register */
		define_cfa(m, take_uleb(m), m->row.offset);
		return;
	case 0x0e: /* def_cfa_offset */
		m->row.offset = (int64_t)take_uleb(m);
		return;
	case 0x0f: /* def_cfa_expression */
		skip_block(m);
		m->row.cfa = 0;
		return;
	case 0x10: /* expression, val_expression */
	case 0x16:
		by_expression(m);
		return;
	case 0x11: /* offset_extended_sf */
		reg = take_uleb(m);
		saved_at(m, reg, take_sleb(m) * m->data_align);
		return;
	case 0x12: /* def_cfa_sf */
		reg = take_uleb(m);
		define_cfa(m, reg, take_sleb(m) * m->data_align);
		return;
	case 0x13: /* def_cfa_offset_sf */
		m->row.offset = take_sleb(m) * m->data_align;
		return;
	case 0x2e: /* GNU_args_size */
		take_uleb(m);
		return;
	default:
		m->bad = true;
	}
}

static void step(struct machine *m)
{
	unsigned op = (unsigned)take(m, 1), low = op & 0x3f;

	switch (op & 0xc0) {
	case 0x40:
		advance(m, low);
		return;
	case 0x80:
		saved_at(m, low, (int64_t)take_uleb(m) * m->data_align);
		return;
	case 0xc0:
		restore(m, low);
		return;
	default:
		step_plain(m, op);
	}
}

/* Up to the row that holds at pc: what stands behind an advance past it is of later rows. */
static void run(struct machine *m, const uint8_t *at, const uint8_t *end)
{
	m->at = at;
	m->end = end;
	while (m->at < m->end && !m->bad && m->loc <= m->pc)
		step(m);
}

/* ---- where the program stands ---------------------------------------------------- */

struct entry {
	const uint8_t *body, *end; /* behind the length */
};

/* An entry with a length of 4 bytes: the form with 8 is for tables that no object has. */
static bool entry_at(const uint8_t *p, struct entry *e)
{
	uint32_t length;

	memcpy(&length, p, 4);
	if (length < 4 || length == UINT32_MAX)
		return false;
	e->body = p + 4;
	e->end = e->body + length;
	return true;
}

/* A pointer of 8 bytes, or one of 4 from where it stands. */
static void skip_personality(struct machine *m)
{
	unsigned form = (unsigned)take(m, 1) & 0x07;

	m->at += form == 0 || form == 4 ? 8 : 4;
}

/*
 * Reads a CIE up to its instructions, leaving m->at there. What its letters say beside the form of
 * addresses is passed over by the size that follows z.
 */
static bool cie_open(struct machine *m, const struct entry *cie)
{
	const char *letters = (const char *)cie->body + 5;
	const uint8_t *behind;
	uint64_t size;

	m->at = cie->body + 4;
	m->end = cie->end;
	if (take(m, 1) != 1 || letters[0] != 'z' || strchr(letters, 'S'))
		return false; /* S: a signal's frame */
	m->at += strlen(letters) + 1;
	m->code_align = take_uleb(m);
	m->data_align = take_sleb(m);
	if (take(m, 1) != RETURN)
		return false;
	size = take_uleb(m);
	behind = m->at + size;
	for (const char *l = letters + 1; *l; l++) {
		if (*l == 'R' && take(m, 1) != PCREL_SDATA4)
			return false;
		if (*l == 'L')
			take(m, 1);
		if (*l == 'P')
			skip_personality(m);
	}
	m->at = behind;
	return !m->bad;
}

/* Runs the two programs of the frame at `fde`. False: it is of other code, or of a form unknown. */
static bool frame_run(struct machine *m, const uint8_t *fde)
{
	const uint8_t *begin, *program;
	struct entry frame, cie;
	int32_t start, delta;
	uint32_t range, size;

	if (!entry_at(fde, &frame))
		return false;
	memcpy(&delta, frame.body, 4);
	if (!delta || !entry_at(frame.body - delta, &cie) || !cie_open(m, &cie))
		return false;
	program = m->at;
	begin = frame.body + 4;
	memcpy(&start, begin, 4);
	memcpy(&range, begin + 4, 4);
	m->loc = (uintptr_t)begin + (uintptr_t)(intptr_t)start;
	if (m->pc - m->loc >= range)
		return false;
	run(m, program, cie.end);
	m->initial = m->row;
	m->at = begin + 8;
	m->end = frame.end;
	size = (uint32_t)take_uleb(m);
	run(m, m->at + size, frame.end);
	return !m->bad;
}

/* The last entry of the sorted table that begins at pc or before. NULL: none does. */
static const uint8_t *table_find(const uint8_t *hdr, uintptr_t pc)
{
	const struct {
		int32_t begin, fde;
	} *table = (const void *)(hdr + 12);
	uint32_t low = 0, high;

	if (hdr[0] != 1 || hdr[2] != UDATA4 || hdr[3] != DATAREL_SDATA4)
		return NULL;
	if ((hdr[1] & 0x07) != 0x03) /* the pointer before the count has 4 bytes */
		return NULL;
	memcpy(&high, hdr + 8, 4);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if ((uintptr_t)hdr + (uintptr_t)(intptr_t)table[middle].begin <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? hdr + table[low - 1].fde : NULL;
}

bool cfi_find(const void *hdr, uintptr_t pc, struct cfi_rule *rule)
{
	struct machine m = {.pc = pc, .row = {.rbp_known = true}};
	const uint8_t *fde = table_find(hdr, pc);
	const struct row *r = &m.row;

	if (!fde || !frame_run(&m, fde) || !r->cfa || r->outermost || !r->rbp_known)
		return false;
	if (r->offset < 8 || r->offset >= CFI_OFFSET_MAX || r->offset % 8 || r->saved_rbp > 0 ||
	    r->saved_rbp < -CFI_SAVED_MAX || r->saved_rbp % 8)
		return false;
	*rule = (struct cfi_rule){.by_rbp = r->cfa == RBP,
				  .offset = (uint16_t)r->offset,
				  .saved = (uint16_t)-r->saved_rbp};
	return true;
}
