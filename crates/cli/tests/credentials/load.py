"""One client of boto3 under load: `sts` of the program in the first argument, in four threads, until standard input ends."""

import concurrent.futures
import sys
import threading

exec(sys.argv[1])
done = threading.Event()


def load():
    while not done.is_set():
        sts.get_caller_identity()
        done.wait(0.05)


with concurrent.futures.ThreadPoolExecutor() as pool:
    threads = [pool.submit(load) for _ in range(4)]
    sys.stdin.read()
    done.set()
    for thread in threads:
        thread.result()
