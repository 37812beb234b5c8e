"""Connects to a service that listens on the host."""
import json
import socket

port = json.load(open("input.json"))["port"]
with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
    connection.sendall(b"hello from inside")
print("connected")
