// operators.cc - every form of new and delete; under a small max the program's new handler runs and
// bad_alloc is thrown and caught.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#define CHECK(cond)                                                                             \
	do {                                                                                    \
		if (!(cond)) {                                                                  \
			std::fprintf(stderr, "operators.cc:%d: not so: %s\n", __LINE__, #cond); \
			std::exit(1);                                                           \
		}                                                                               \
	} while (0)

struct alignas(256) wide {
	char bytes[1000];
};

static char *reserve;
static int handled;

// Gives back once what it has, then lets the exception come.
static void handler()
{
	handled++;
	delete[] reserve;
	reserve = nullptr;
	std::set_new_handler(nullptr);
}

static void *volatile sink;
template <typename T> static T *keep(T *p)
{
	sink = p;
	return p;
}

static void every_form()
{
	delete keep(new int);
	delete[] keep(new char[100000]);
	delete keep(new (std::nothrow) int);
	delete[] keep(new (std::nothrow) char[100]);
	wide *w = keep(new wide);
	CHECK(reinterpret_cast<std::uintptr_t>(w) % 256 == 0);
	delete w;
	w = keep(new wide[3]);
	CHECK(reinterpret_cast<std::uintptr_t>(w) % 256 == 0);
	delete[] w;
	delete keep(new (std::nothrow) wide);
	::operator delete (keep(::operator new(64)), std::size_t{64});
	::operator delete (keep(::operator new (64, std::align_val_t{64})), std::size_t{64},
			   std::align_val_t{64});
	::operator delete(keep(::operator new(64)), std::nothrow);
	std::vector<std::string> v;
	for (int i = 0; i < 10000; i++)
		v.push_back(std::string(static_cast<std::size_t>(i % 100), 'x'));
	std::thread([&] { v.clear(); }).join();
}

static bool caught(std::size_t size)
{
	try {
		delete[] keep(new char[size]);
	} catch (const std::bad_alloc &) {
		return true;
	}
	return false;
}

// std::vector::reserve is noexcept(false) all the way: the exception crosses frames of both
// languages.
static void refused()
{
	const std::size_t much = std::size_t{256} << 20;

	CHECK(caught(much));
	CHECK(!keep(new (std::nothrow) char[much]));
	try {
		delete[] keep(new wide[much / sizeof(wide)]);
		CHECK(false);
	} catch (const std::bad_alloc &) {
	}
	reserve = new char[40 << 20];
	std::set_new_handler(handler);
	CHECK(!caught(40 << 20)); // what the handler gave back was enough
	CHECK(handled == 1 && !reserve);
	std::vector<std::unique_ptr<char[]>> v;
	try {
		for (;;)
			v.emplace_back(new char[1000]);
	} catch (const std::bad_alloc &) {
	}
	CHECK(v.size() > 10000);
	v.clear();
	CHECK(!caught(1000));
}

int main()
{
	every_form();
	refused();
	return 0;
}
