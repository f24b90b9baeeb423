/* label.c - see label.h. */
#include "label.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct labels *l, size_t n)
{
	char(*text)[GROUP_LABEL];

	if (n <= l->room)
		return true;
	text = realloc(l->text, n * sizeof(*text));
	if (!text)
		return false;
	l->text = text;
	l->room = n;
	return true;
}

static void read_one(struct source *s, const char *path, char label[GROUP_LABEL])
{
	if (source_read(s, path, "comm", label, GROUP_LABEL) < 0)
		label[0] = '\0';
	label[strcspn(label, "\n")] = '\0';
}

void labels_read(struct source *s, const struct rows *rows, struct labels *l)
{
	l->n = 0;
	if (source_info(s)->kind != SOURCE_RUN || !make_room(l, rows->n))
		return;
	l->n = rows->n;
	for (size_t i = 0; i < rows->n; i++) {
		l->text[i][0] = '\0';
		if (rows->row[i].depth == 1)
			read_one(s, rows->row[i].path, l->text[i]);
	}
}

void labels_give(const struct labels *l, struct model *m)
{
	for (size_t i = 0; i < l->n; i++)
		model_label(m, i, l->text[i]);
}

void labels_free(struct labels *l)
{
	free(l->text);
	*l = (struct labels){0};
}
