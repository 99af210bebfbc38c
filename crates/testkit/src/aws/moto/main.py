"""Starts moto's server, with what the text before this one has put right. The arguments are those of `moto_server`."""

from moto.server import main

main()
