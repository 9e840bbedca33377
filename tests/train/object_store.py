"""Serves one bucket as Google Cloud Storage does, on this machine.

    # prints its address
    python -m tests.train.object_store

It is gcp-storage-emulator with two additions that tensorstore relies on: a read returns the
generation of its bytes, and a write that names a generation succeeds only if the object has it.
"""

import logging
import urllib.parse
from http import HTTPStatus

from gcp_storage_emulator import server
from gcp_storage_emulator.exceptions import NotFound
from gcp_storage_emulator.handlers import buckets
from gcp_storage_emulator.storage import Storage


class Handler(server.RequestHandler):
    """Requests with generations."""

    def asked(self):
        """(bucket, object, query) of the request's address; None where it names no object."""
        parts = urllib.parse.urlsplit(self.path)
        query = {k: v[0] for k, v in urllib.parse.parse_qs(parts.query).items()}
        _, _, rest = parts.path.partition('/b/')
        bucket, found, name = rest.partition('/o')
        name = urllib.parse.unquote(name.lstrip('/')) or query.get('name')
        return (bucket, name, query) if found and name else None

    def generation(self, bucket, name):
        """'0' where there is no such object."""
        try:
            return self.storage.get_file_obj(bucket, name)['generation']
        except NotFound:
            return '0'

    def end_headers(self):
        asked = self.asked()
        if self.command == 'GET' and asked and asked[2].get('alt') == 'media':
            self.send_header('x-goog-generation', self.generation(*asked[:2]))
        super().end_headers()

    def do_POST(self):
        # the emulator's answer to what it lacks would be tried again for half a minute
        if '/moveTo/' in self.path:
            # gcsfs then copies and deletes
            self.refuse(HTTPStatus.METHOD_NOT_ALLOWED)
            return
        asked = self.asked()
        wanted = asked[2].get('ifGenerationMatch') if asked else None
        if wanted is None or wanted == self.generation(*asked[:2]):
            super().do_POST()
            return
        self.refuse(HTTPStatus.PRECONDITION_FAILED)

    def refuse(self, status):
        self.rfile.read(int(self.headers.get('Content-Length', 0)))
        self.send_response(status)
        self.send_header('Content-Length', '0')
        self.end_headers()


def main():
    """Serves until killed."""
    logging.disable(logging.CRITICAL)
    storage = Storage(use_memory_fs=True)
    buckets.create_bucket('bucket', storage)
    with server.server.HTTPServer(
        ('127.0.0.1', 0), lambda *arguments: Handler(storage, *arguments)
    ) as serving:
        print(f'http://127.0.0.1:{serving.server_port}', flush=True)
        serving.serve_forever()


if __name__ == '__main__':
    main()
