/*
 * exec.c - the exec family and posix_spawn: noted in the file of `memcg run` before the call, taken
 * back when it fails (ctl/pending.h), and made by the next definition.
 *
 * Called in signal handlers and between vfork and exec, so the next definitions are
 * looked up at start-up. A constructor that runs before ours and execs pays a dlsym.
 */
#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <unistd.h>

#include "ctl/pending.h"
#include "preload.h"

enum call { EXECVE, EXECV, EXECVP, EXECVPE, FEXECVE, EXECVEAT, SPAWN, SPAWNP, CALLS };

static const char *const names[CALLS] = {"execve",  "execv",	"execvp",      "execvpe",
					 "fexecve", "execveat", "posix_spawn", "posix_spawnp"};
static void *known[CALLS];

static void *next(enum call c)
{
	void *found = atomic_load_acquire(&known[c]);

	if (unlikely(!found)) {
		found = dlsym(RTLD_NEXT, names[c]);
		atomic_store_release(&known[c], found); /* pairs with the load above */
	}
	return found;
}

void exec_start(void)
{
	for (enum call c = 0; c < CALLS; c++)
		next(c);
}

typedef int (*execve_fn)(const char *, char *const[], char *const[]);
typedef int (*execv_fn)(const char *, char *const[]);
typedef int (*fexecve_fn)(int, char *const[], char *const[]);
typedef int (*execveat_fn)(int, const char *, char *const[], char *const[], int);
typedef int (*spawn_fn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
			const posix_spawnattr_t *, char *const[], char *const[]);

/* `call` only comes back when it failed; errno is its own. */
#define noted(path, call)                        \
	({                                       \
		struct pending p_;               \
		int result_, saved_;             \
                                                 \
		memcg__exec_begins(&p_, (path)); \
		result_ = (call);                \
		saved_ = errno;                  \
		memcg__exec_failed(&p_);         \
		errno = saved_;                  \
		result_;                         \
	})

__public_ int execve(const char *path, char *const argv[], char *const env[])
{
	return noted(path, ((execve_fn)next(EXECVE))(path, argv, env));
}

__public_ int execv(const char *path, char *const argv[])
{
	return noted(path, ((execv_fn)next(EXECV))(path, argv));
}

__public_ int execvp(const char *file, char *const argv[])
{
	return noted(file, ((execv_fn)next(EXECVP))(file, argv));
}

__public_ int execvpe(const char *file, char *const argv[], char *const env[])
{
	return noted(file, ((execve_fn)next(EXECVPE))(file, argv, env));
}

__public_ int fexecve(int fd, char *const argv[], char *const env[])
{
	return noted("fexecve", ((fexecve_fn)next(FEXECVE))(fd, argv, env));
}

__public_ int execveat(int dir, const char *path, char *const argv[], char *const env[], int flags)
{
	return noted(path, ((execveat_fn)next(EXECVEAT))(dir, path, argv, env, flags));
}

/* ---- arguments one by one ----------------------------------------------------- */

static size_t count_arguments(va_list args)
{
	size_t n = 1; /* the first is named */

	while (va_arg(args, char *))
		n++;
	return n;
}

/* On the stack, as glibc does: nothing may be allocated here. */
#define LISTED(argv, first, args)                                         \
	va_list args, counted_;                                           \
	va_start(args, first);                                            \
	va_copy(counted_, args);                                          \
	size_t n_ = count_arguments(counted_);                            \
	char *argv[n_ + 1];                                               \
	va_end(counted_);                                                 \
	argv[0] = (char *)(uintptr_t)first;                               \
	for (size_t i_ = 1; i_ <= n_; i_++) /* the NULL at its end too */ \
	argv[i_] = va_arg(args, char *)

__public_ int execl(const char *path, const char *first, ...)
{
	LISTED(argv, first, args);
	va_end(args);
	return execv(path, argv);
}

__public_ int execlp(const char *file, const char *first, ...)
{
	LISTED(argv, first, args);
	va_end(args);
	return execvp(file, argv);
}

__public_ int execle(const char *path, const char *first, ...)
{
	char *const *env;

	LISTED(argv, first, args);
	env = va_arg(args, char *const *);
	va_end(args);
	return execve(path, argv, env);
}

/* ---- posix_spawn -------------------------------------------------------------- */

static int spawned(enum call c, pid_t *pid, const char *path,
		   const posix_spawn_file_actions_t *acts, const posix_spawnattr_t *attr,
		   char *const argv[], char *const env[])
{
	u64 since = memcg__exec_time();
	pid_t child;
	int err = ((spawn_fn)next(c))(&child, path, acts, attr, argv, env);

	if (err)
		return err;
	memcg__exec_spawned((u32)child, path, since);
	if (pid)
		*pid = child;
	return 0;
}

__public_ int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *acts,
			  const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	return spawned(SPAWN, pid, path, acts, attr, argv, env);
}

__public_ int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *acts,
			   const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	return spawned(SPAWNP, pid, file, acts, attr, argv, env);
}
