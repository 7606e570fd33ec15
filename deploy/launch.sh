#!/bin/sh
# Starts the program of this file's name with the node it was made for.
real=$(readlink -f "$0")
lib=${real%/bin/*}/lib
# Unless told, node 24 lets objects that have just been made fill 128 MiB before it looks which are still used, and keeps that memory for ever.
# The agent is a guest on other people's machines: it gets along with less.
case $real in */holdfast-agent) exec "$lib/node" --max-semi-space-size=4 "$lib/holdfast-agent.mjs" "$@" ;; esac
exec "$lib/node" --max-semi-space-size=16 "$lib/${real##*/}.mjs" "$@"
