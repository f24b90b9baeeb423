// A program linked with that library: what each asks for is its own. Ends without destructors: all
// is there.
#include <cstring>
#include <iostream>
#include <string>

extern "C" void cxx_take(std::size_t size);

static std::string *text;

int main()
{
	text = new std::string;
	text->append(std::size_t(2) << 20, 'y');
	cxx_take(std::size_t(5) << 20);
	std::cout << text->size() << std::endl;
}
