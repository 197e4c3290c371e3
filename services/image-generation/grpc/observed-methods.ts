import { status } from '@grpc/grpc-js';
import { ImageGenerationServiceService } from '../../../proto/gen/sekai/image/v1/image_generation_service.ts';
import { type ObservedCall, UNKNOWN_METHOD, UNKNOWN_SERVICE } from './call-observer.ts';
import { STATUS_CODES } from './status-names.ts';

export interface ObservedMethod extends Pick<ObservedCall, 'service' | 'method' | 'type'> {
  /** The codes its calls can end with. */
  readonly codes: readonly number[];
}

/** Every service and method name an observer can hear of. */
export const OBSERVED_METHODS: readonly ObservedMethod[] = [
  ...Object.values(ImageGenerationServiceService).map(({ path, responseStream }): ObservedMethod => {
    const [, service = '', method = ''] = path.split('/');
    return { service, method, type: responseStream ? 'server_stream' : 'unary', codes: STATUS_CODES };
  }),
  {
    service: UNKNOWN_SERVICE,
    method: UNKNOWN_METHOD,
    // Nobody knows better, and nothing of it is read.
    type: 'bidi_stream',
    codes: [status.UNIMPLEMENTED],
  },
];
