// A library whose strings the C++ library makes, and whose arrays are its own.
#include <cstring>
#include <string>
#include <vector>

extern "C" void cxx_take(std::size_t size);

static std::string text;
static std::vector<char *> arrays;

extern "C" void cxx_take(std::size_t size)
{
	text.append(size, 'x');
	arrays.push_back(new char[size]);
	std::memset(arrays.back(), 1, size);
}
