import { type Server, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { UNKNOWN_METHOD, UNKNOWN_SERVICE } from './call-observer.ts';

/** The path under which interceptors see every call to a method that does not exist. */
export const UNKNOWN_PATH = `/${UNKNOWN_SERVICE}/${UNKNOWN_METHOD}`;

type Call = ServerDuplexStream<Buffer, Buffer>;
/** Private: finds the handler of a path, or none. */
const RETRIEVE = '_retrieveHandler';
type Inner = Partial<Record<typeof RETRIEVE, (path: string) => object | null>>;

/**
 * Sends calls to methods that do not exist through the interceptors, as calls to {@link UNKNOWN_PATH}, and answers
 * them with UNIMPLEMENTED as before. grpc-js answers them past the interceptors and has no public catch-all handler:
 * without this, whoever knocks at random is neither authenticated nor counted. Should a later grpc-js have no
 * such method, it goes on answering by itself; a test keeps this honest. `onCall` hears the path, which is
 * whatever the peer made up.
 */
export function observeUnknownMethods(server: Server, onCall: (call: Call, path: string) => void): void {
  const inner = server as unknown as Inner;
  const retrieve = inner[RETRIEVE];
  if (typeof retrieve !== 'function') return;
  inner[RETRIEVE] = (path) => retrieve.call(server, path) ?? unknownMethod(path, onCall);
}

/** A handler as grpc-js keeps them; bidirectional, because such a handler is called before any message is read. */
function unknownMethod(path: string, onCall: (call: Call, path: string) => void): object {
  const bytes = (message: Buffer): Buffer => message;
  return {
    path: UNKNOWN_PATH,
    type: 'bidi',
    serialize: bytes,
    deserialize: bytes,
    func: (call: Call) => {
      onCall(call, path);
      call.emit('error', {
        code: status.UNIMPLEMENTED,
        details: `The server does not implement the method ${path}`,
      });
    },
  };
}
