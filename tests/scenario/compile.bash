# shellcheck shell=bash
# compile.bash - sourced by scenarios that look at instructions: another file, compiled as the
# library's own are.

# compile_as_ours DIR/NAME [FLAG...] - NAME.c to NAME.o, by the command that compiled page/put.c; as
# a release build, whatever $BUILD is.
compile_as_ours() {
	python3 - "$BUILD" "$@" <<'END'
import json, shlex, subprocess, sys
build, name, *flags = sys.argv[1:]
with open(build + "/compile_commands.json") as f:
    entry = next(e for e in json.load(f) if e["file"].endswith("src/page/put.c"))
words, out, skip = shlex.split(entry["command"]), [], False
for word in words:
    if skip:
        skip = False
    elif word in ("-o", "-MF", "-MQ", "-MT"):
        skip = True
    elif word not in ("-c", "-MD", entry["file"]):
        out.append(word)
out += ["-UMEMCG_DEBUG", *flags, "-w", "-c", name + ".c", "-o", name + ".o"]
subprocess.run(out, cwd=entry["directory"], check=True)
END
}
