/*
 * files.c - memcg-files-doc man|md: the manual of the files of a group, from the table that the
 * library itself goes by (src/ctl/file_table.c). `make docs` writes man/memcg-files.5 and
 * docs/files.md with it; tests/scenario/docs.sh says when they are stale.
 *
 * Texts have one mark-up: `code` between back quotes. In Markdown it stays, for man it is bold.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ctl/file.h"
#include "group/stat_lines.h"

static bool man; /* else Markdown */

/* --- the two formats -------------------------------------------------------------- */

static void put_man(char c, bool *code)
{
	switch (c) {
	case '`':
		fputs(*code ? "\\fR" : "\\fB", stdout);
		*code = !*code;
		break;
	case '-':
		fputs("\\-", stdout);
		break;
	case '\\':
		fputs("\\e", stdout);
		break;
	case '\'':
		fputs("\\(aq", stdout);
		break;
	default:
		putchar(c);
	}
}

static void put(const char *text)
{
	bool code = false;

	if (!man) {
		fputs(text, stdout);
		return;
	}
	for (; *text; text++)
		put_man(*text, &code);
}

static bool below_heading; /* no macro for a paragraph there */

static void heading(const char *text)
{
	const char *c;

	if (!man) {
		printf("\n## %s\n", text);
		return;
	}
	below_heading = true;
	fputs(".SH ", stdout);
	for (c = text; *c; c++)
		putchar(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
	putchar('\n');
}

/* A line of its own: what roff would take for a request begins with \&. */
static void paragraph(const char *text)
{
	if (man)
		printf("%s%s", below_heading ? "" : ".PP\n",
		       *text == '.' || *text == '\'' ? "\\&" : "");
	below_heading = false;
	put(text);
	fputs(man ? "\n" : "\n\n", stdout);
}

static void item(const char *name, const char *text)
{
	if (man)
		printf(".TP\n.B ");
	else
		printf("- **%s**: ", name);
	if (man) {
		put(name);
		putchar('\n');
	}
	put(text);
	putchar('\n');
}

/* --- the text -------------------------------------------------------------------- */

static void begin(void)
{
	below_heading = man;
	if (man)
		puts(".\\\" Written by `make docs` from src/ctl/file_table.c: change that.\n"
		     ".TH MEMCG-FILES 5 2026-11-21 \"libmemcg\" \"File Formats\"\n"
		     ".SH NAME\nmemcg-files \\- the files of a memory group\n"
		     ".SH SYNOPSIS\n.nf\n.B #include <memcg.h>\n.PP\n"
		     ".BI \"ssize_t memcg_read(struct memcg *\" cg \", const char *\" file \", "
		     "char *\" buf \", size_t \" size );\n"
		     ".BI \"int memcg_write(struct memcg *\" cg \", const char *\" file \", "
		     "const void *\" buf \", size_t \" len );\n"
		     ".BI \"struct memcg_ctl *memcg_ctl_open(struct memcg *\" cg \", "
		     "const char *\" file );\n.fi\n.SH DESCRIPTION");
	else
		puts("<!-- Written by `make docs` from src/ctl/file_table.c: change that. -->\n"
		     "# The files of a group\n");
	paragraph("A group has the files of cgroup v2 that make sense inside a process, with the "
		  "kernel's names, formats and answers, and some of its own. They lie in no file "
		  "system: memcg_read and memcg_write take their names; memcg_ctl_open makes a "
		  "reader, which is what an open file is in the kernel.");
}

static void how_to_write(void)
{
	heading("Writing");
	paragraph("A refused write changes nothing. White space around a value is skipped.");
	paragraph("A size is a number in base 10, 8 (`010`) or 16 (`0x10`) and at most one of `K M "
		  "G T P E`, either case, powers of 1024. Limits are rounded down to 4096; from "
		  "2^63 less 4096 on they are `max`.");
	item("-EINVAL", "Not understood: no digits, a sign or a fraction in a size, something "
			"behind it, more than 64 bits; nothing at all; a NUL inside.");
	item("-ERANGE", "A number that does not fit, or below 0, where a count is written. "
			"Reading: the text and its NUL do not fit the buffer.");
	item("-E2BIG", "More than 4096 bytes.");
	item("-EACCES", "The file is not for that.");
	item("-ENOENT", "The group has no such file.");
	item("-ENODEV", "A write to a group that was destroyed, or any use of its readers. "
			"memcg_read still tells what it was.");
	if (!man)
		putchar('\n');
	paragraph("In four places this is stricter than the kernel, which takes them by "
		  "accident: a text without digits (there 0), a size past 64 bits (there it "
		  "wraps), a NUL inside (there it ends the text), and something behind a trigger "
		  "for `memory.pressure` (there it is passed over).");
}

static void one_file(const struct file *f)
{
	if (man) {
		item(f->name, f->about);
		fputs(".IP\n", stdout);
	} else {
		printf("### %s\n%s\n\n", f->name, f->about);
	}
	if (f->reads) {
		put("Reads: ");
		put(f->reads);
		put(f->writes ? ". " : ".");
	}
	if (f->writes) {
		put("Writes: ");
		put(f->writes);
		put(".");
	}
	if (f->flags & FILE_NOT_ON_ROOT)
		put(" Not on the root.");
	if (f->flags & FILE_NOTIFIES)
		put(" A reader has a descriptor.");
	fputs(man ? "\n" : "\n\n", stdout);
}

static void all_files(const char *title, unsigned ours)
{
	size_t i;

	heading(title);
	for (i = 0; i < file_count; i++)
		if ((file_table[i].flags & FILE_OURS) == ours)
			one_file(&file_table[i]);
}

/* Of the kernel's: what src/group/stat.c does not fill in. tests/scenario/docs.sh compares the two.
 */
static bool has_meaning(const char *line)
{
	static const char *const none[] = {"sec_pagetables",
					   "percpu",
					   "vmalloc",
					   "zswap_incomp",
					   "anon_thp",
					   "file_thp",
					   "shmem_thp",
					   "slab_reclaimable",
					   "hugetlb",
					   "workingset_nodereclaim",
					   "pgdemote_kswapd",
					   "pgdemote_direct",
					   "pgdemote_khugepaged",
					   "pgdemote_proactive",
					   "pgsteal_khugepaged",
					   "pgscan_khugepaged",
					   "pgpromote_success",
					   "pglazyfree",
					   "pglazyfreed",
					   "thp_fault_alloc",
					   "thp_collapse_alloc",
					   "thp_swpout",
					   "thp_swpout_fallback",
					   "numa_pages_migrated",
					   "numa_pte_updates",
					   "numa_hint_faults"};
	size_t i;

	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (!strcmp(line, none[i]))
			return false;
	return true;
}

static void lines_without_meaning(void)
{
#define NAME(line) #line,
	static const char *const names[] = {STAT_LINES_KERNEL(NAME)};
#undef NAME
	unsigned said = 0;
	size_t i;

	heading("Lines that read 0");
	paragraph("These lines of `memory.stat` are about things that a process's own memory does "
		  "not have. They are there so that what parses the kernel's file "
		  "parses ours:");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!has_meaning(names[i]))
			printf("%s%s", !said++ ? "" : said % 6 == 1 ? ",\n" : ", ", names[i]);
	puts(".");
}

static void end(void)
{
	heading("Not there");
	paragraph("What is about processes and devices rather than memory: `cgroup.freeze`, "
		  "`cgroup.kill`, `cgroup.pressure`, `irq.pressure`, `cpu.stat`. Other controllers "
		  "have no files. About devices to swap to: `memory.swap.tiers.max`.");
	if (man)
		puts(".SH SEE ALSO\n.BR memcg (1),\n.BR memcg_read (3),\n.BR memcg (7)");
}

int main(int argc, char **argv)
{
	if (argc != 2 || (strcmp(argv[1], "man") && strcmp(argv[1], "md"))) {
		fputs("usage: memcg-files-doc man|md\n", stderr);
		return 2;
	}
	man = !strcmp(argv[1], "man");
	begin();
	how_to_write();
	all_files("Files of cgroup v2", 0);
	all_files("Files of our own", FILE_OURS);
	lines_without_meaning();
	end();
	return fflush(stdout) || ferror(stdout) ? 1 : 0;
}
