"""Takes all the memory there is."""
hoard = []
while True:
    hoard.append(bytearray(1 << 20))
