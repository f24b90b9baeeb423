/* layout.c - the table behind layout.h. */
#include "ctl/layout.h"
#include "page/page.h"
#include "sync/percpu.h"

/* Not const: a core dump holds what was written, and relocation writes here. */
__attribute__((used)) struct layout memcg__layout = {
	.magic = LAYOUT_MAGIC,
	.version = LAYOUT_VERSION,
	.size = sizeof(struct layout),
	.self = &memcg__layout,
	.region = &memcg__region,
	.handles = &handle_table,
	.root = &root_group,
	.stock = &memcg__stock,
	.cpus = &pcpu_count,
	.cached = &page_cached,
	.metadata = &meta_bytes,
	.balloon = &page_balloon,
	.external = &external_pages,
	.maps = &maps_registry,
	.shape = {LAYOUT_SHAPE(LAYOUT_VALUE)},
};
