#!/bin/sh
# Starts the program of this file's name with the node it was made for.
real=$(readlink -f "$0")
lib=${real%/bin/*}/lib
exec "$lib/node" "$lib/${real##*/}.mjs" "$@"
