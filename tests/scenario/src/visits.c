/*
 * visits.c - says what a program can see of the library without looking for it: descriptors,
 * threads, environment. Prints "descriptors N threads N", then the variables that concern us.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

extern char **environ;

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n - 2;
}

int main(void)
{
	printf("descriptors %d threads %d\n", entries("/proc/self/fd") - 1,
	       entries("/proc/self/task"));
	for (char **e = environ; *e; e++)
		if (!strncmp(*e, "MEMCG_", 6) || !strncmp(*e, "LD_PRELOAD", 10))
			puts(*e);
	return 0;
}
