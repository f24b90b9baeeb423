# shellcheck shell=bash
# report_common.bash - sourced by the report_*.sh scenarios: pages made, and asked by python.
# shellcheck source=tests/scenario/run_common.bash
. "$REPO/tests/scenario/run_common.bash"
python=/usr/bin/python3
needs $python

# paged OPTIONS... -- COMMAND... - under memcg run; its page in ./page.html.
paged() {
	rm -f page.html
	"$memcg" run --quiet --report page.html "$@"
}

# asked CODE - python with page.html as `page`, its numbers as `data` and its text as `text`.
asked() {
	$python - "$1" <<-'EOF'
		import base64, hashlib, html, json, re, sys
		page = open("page.html", encoding="utf-8").read()
		found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
		assert len(found) == 1, "one block of numbers"
		data = json.loads(found[0])
		text = html.unescape(re.search(r'<details id="text">.*?<pre>(.*?)</pre>', page, re.S)[1])
		by_pid = {p["pid"]: p for p in data["processes"]}
		exec(sys.argv[1])
	EOF
}

# All in itself: one script and one style, which its policy allows by their hashes, and no more.
# shellcheck disable=SC2034 # for who sources this
self_contained='
assert page.startswith("<!doctype html>") and page.endswith("</html>\n")
policy = re.search(r"Content-Security-Policy\" content=\"(.*?)\"", page)[1]
assert policy.startswith("default-src \x27none\x27") and "unsafe" not in policy, policy
for tag, name in (("style", "style-src"), ("script", "script-src")):
    inner = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.S)
    assert len(inner) == 1, tag
    digest = base64.b64encode(hashlib.sha256(inner[0].encode()).digest()).decode()
    assert f"{name} \x27sha256-{digest}\x27" in policy, tag
outside = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
assert not re.search(r"(src|href)=\"(?!data:,\")", outside), "loads something"
assert "style=" not in outside
'
