/* class.c - the table of sizes. */
#include "base/compiler.h"
#include "slab/class.h"

const u32 class_size[CLASS_NR] = {
	16,   32,   48,	  64,	80,    96,    112,   128,   160,   192,	  224,	 256,	320,  384,
	448,  512,  640,  768,	896,   1024,  1280,  1536,  1792,  2048,  2560,	 3072,	3584, 4096,
	5120, 6144, 7168, 8192, 10240, 12288, 14336, 16384, 20480, 24576, 28672, 32768,
};

unsigned class_aligned(size_t size, size_t align)
{
	unsigned c;

	if (size > CLASS_MAX_SIZE || align > PAGE_SIZE)
		return CLASS_NR;
	for (c = class_of(size); c < CLASS_NR; c++)
		if (IS_ALIGNED((size_t)class_size[c], align))
			break;
	return c;
}
