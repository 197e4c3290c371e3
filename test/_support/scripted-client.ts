import { onTestFinished } from 'vitest';
import {
  createImageGenerationClient,
  type ImageGenerationClient,
  type ImageGenerationClientOptions,
} from '../../services/client/image-generation-client.ts';
import { type ScriptedCall, startScriptedServer } from '../../services/client/scripted-server.ts';

/** A client, closed when the test ends. */
export function clientOf(options: ImageGenerationClientOptions): ImageGenerationClient {
  const client = createImageGenerationClient(options);
  onTestFinished(() => client.close());
  return client;
}

/** A client of a server whose streams are written by `script`; both end with the test. */
export async function scriptedClient(
  script: (call: ScriptedCall) => void,
  options: Partial<ImageGenerationClientOptions> = {},
): Promise<ImageGenerationClient> {
  const server = await startScriptedServer(script);
  onTestFinished(() => server.stop());
  return clientOf({ target: server.target, ...options });
}
