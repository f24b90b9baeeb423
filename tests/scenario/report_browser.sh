#!/usr/bin/env bash
# The page of a report in a browser: it draws, in light and dark, asks for nothing from anywhere, and
# has nothing to complain of; names do not become script; without script there are tables and a chart.
: "${REPO:?the source tree}" "${BUILD:?its build directory}"
# shellcheck source=tests/scenario/report_common.bash
. "$REPO/tests/scenario/report_common.bash"
needs chromium chromedriver
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$REPO/tests/scenario

# One group and a moment of time; many threads and refusals; several processes, one of an evil name.
"$memcg" run --quiet --report one.html -- true || fail "one.html: status $?"
"$memcg" run --quiet --max 48M --group-by thread --report many.html -- $python -c '
import threading, time
def work(n):
    keep = []
    for i in range(40):
        try: keep.append(bytearray(50000 * n))
        except MemoryError: keep.clear()
        time.sleep(.01)
threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 25)]
for t in threads: t.start()
for t in threads: t.join()' || fail "many.html: status $?"
evil='<img src=x onerror=document.title=1>' # no slash: it is a file
cp /bin/sleep "$evil"
"$memcg" run --quiet --report several.html -- sh -c '"./$1" 0.5 & "$2" -c "x = bytearray(9 << 20)" & wait' \
	"</script><script>document.title=1</script>" "$evil" $python || fail "several.html: status $?"

SHOTS=${SHOTS:-$work} $python - <<'EOP' || fail "the page"
import os
from browser import Browser, until

shots = os.environ["SHOTS"]
b = Browser()


def quiet(name):
    said = b.complaints()
    assert not said, (name, said)


try:
    for name in ("one", "many", "several"):
        b.wide(1200)
        b.requests()
        b.open(name + ".html")
        asked = [url for url in b.requests() if not url.startswith("data:")]
        assert asked and all(url.startswith("file:///") and url.endswith(name + ".html") for url in asked), asked
        quiet(name)

        # Names are text.
        assert b.ask("document.title").endswith("memory report"), b.ask("document.title")
        assert b.ask("document.querySelectorAll('script').length") == 2
        assert b.ask("document.querySelectorAll('img').length") == 0

        # Each group is a row, and on the map where it had any memory.
        data = "JSON.parse(document.getElementById('data').textContent)"
        groups = b.ask(f"{data}.processes.flatMap((p) => p.groups).length")
        assert groups == b.ask("document.querySelectorAll('.process tbody tr').length"), name

        # In light and in dark it is drawn, each in its own light.
        light = {}
        for scheme in ("light", "dark"):
            b.scheme(scheme)
            picture = b.shot(f"{shots}/{name}-{scheme}.png")
            counts = picture.colours()
            assert len(counts) > 20, (name, scheme, len(counts))
            assert max(counts.values()) < 0.97 * sum(counts.values()), (name, scheme, "nothing but ground")
            light[scheme] = picture.light()
        assert light["light"] > 0.7 and light["dark"] < 0.4, light
        b.ask("document.getElementById('theme').click()")
        assert b.shot().light() > 0.7, "the button changes nothing"
        b.scheme("light")

        # On a telephone it is as wide as that.
        b.wide(400)
        assert b.ask("document.documentElement.scrollWidth") <= 400, name
        quiet(name)

    b.wide(1200)
    for name in ("many", "several"):
        b.open(name + ".html")
        drawn = [b.ask(f"document.querySelectorAll('{what}').length") for what in ("#chart .stack", "#map .leaf")]
        assert min(drawn) >= 1, (name, drawn) # how many depends on who ran when
        # The keys of a keyboard tell values.
        b.ask("document.querySelector('#chart svg').focus()")
        b.call("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": [
            {"type": kind, "value": "\ue014"} for kind in ("keyDown", "keyUp")]}]})
        until(lambda: "usage" in (b.ask("(document.getElementById('tip') || {}).textContent") or ""))
        # The slider moves the map.
        before = b.ask("document.getElementById('map').innerHTML")
        b.ask("(() => { const s = document.querySelector('#held-controls input'); s.value = s.value === '0' ? s.max : 0;"
              " s.dispatchEvent(new Event('input')); })()")
        assert b.ask("document.getElementById('map').innerHTML") != before
        quiet(name)
    assert b.ask("document.querySelectorAll('#controls option').length") >= 4
    b.ask("(() => { const s = document.querySelector('#controls select'); s.value = 0;"
          " s.dispatchEvent(new Event('change')); })()")
    assert b.ask("document.querySelector('#chart svg').getAttribute('aria-label')").startswith("Memory over time of sh")

    # On paper nothing is folded.
    b.open("many.html")
    pdf = b.cdp("Page.printToPDF")["data"]
    assert len(pdf) > 20000, len(pdf)

    # Without script: the chart of the whole, and the tables.
    b.cdp("Emulation.setScriptExecutionDisabled", value=True)
    b.open("many.html")
    assert b.ask("document.querySelectorAll('#chart path.usage').length") == 1
    assert b.ask("document.getElementById('held').hidden") and b.ask("document.getElementById('theme').hidden")
    assert b.ask("document.querySelectorAll('.spark').length") >= 10
    assert len(b.shot(f"{shots}/many-no-script.png").colours()) > 20
finally:
    b.close()
EOP
exit 0
