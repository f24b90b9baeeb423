"""Asks a control socket, with nothing but docs/control.md: control.py PATH < lines > answers.

A line of standard input is a request, its blanks being TABs where they are written as ' | '. An
answer is printed as it is, an error as "err NAME"; the connection's end as "end".
"""
import socket
import sys


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def ask(self, request):
        self.socket.sendall(request.encode() + b"\n")
        text = b""
        while True:
            head = self.file.readline().decode()
            if not head:
                return "end"
            word, _, rest = head.rstrip("\n").partition(" ")
            if word == "err":
                return "err " + rest.split(" ")[0]
            piece = self.file.read(int(rest))
            if word == "event":
                print("event", piece.decode(), end="")
                continue
            text += piece
            if word == "ok":
                return text.decode().rstrip("\n")


def main():
    client = Client(sys.argv[1])
    for line in sys.stdin:
        print(client.ask(line.rstrip("\n").replace(" | ", "\t")), flush=True)


if __name__ == "__main__":
    main()
