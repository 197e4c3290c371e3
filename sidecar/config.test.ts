import { describe, expect, it } from 'vitest';
import { ConfigError } from '../services/runtime/environment.ts';
import { archiverVariables, readArchiverConfig } from './config.ts';
import { variableMeta } from '../services/runtime/environment.ts';
import type { z } from 'zod';
import { natsAccessByUrls } from '../services/runtime/nats-access.ts';

describe('archiver configuration', () => {
  it('has a default for everything', () => {
    expect(readArchiverConfig({})).toMatchObject({
      nats: natsAccessByUrls(['nats://127.0.0.1:4222']),
      natsReplicas: 1,
      adminListen: { host: '0.0.0.0', port: 9465 },
      concurrency: 8,
      maxBytesInFlight: 64 * 1024 * 1024,
      headBeforeUpload: true,
      logLevel: 'info',
      s3: { bucket: 'customers-sekai-background-image-gen', prefix: 'customers/sekai/background-image-gen/' },
    });
  });

  it('reads what is set', () => {
    const config = readArchiverConfig({
      NATS_URL: 'nats://a:4222, tls://b',
      NATS_REPLICAS: '3',
      ARCHIVER_CONCURRENCY: '2',
      S3_HEAD_BEFORE_UPLOAD: 'false',
      AWS_ACCESS_KEY_ID: 'id',
      HOME: '/root',
    });
    expect(config).toMatchObject({
      nats: natsAccessByUrls(['nats://a:4222', 'tls://b']),
      natsReplicas: 3,
      concurrency: 2,
    });
    expect(config.headBeforeUpload).toBe(false);
    expect(config.awsEnvironment).toEqual({ AWS_ACCESS_KEY_ID: 'id' });
  });

  it('names every fault at once', () => {
    const faulty = { NATS_REPLICAS: '6', ARCHIVER_CONCURRENCY: 'many', NATS_URL: 'http://x' };
    expect(() => readArchiverConfig(faulty)).toThrow(ConfigError);
    expect(() => readArchiverConfig(faulty)).toThrow(
      /NATS_URL[\s\S]*NATS_REPLICAS[\s\S]*ARCHIVER_CONCURRENCY/,
    );
  });

  it('says of every variable what it is for', () => {
    const undescribed = Object.entries(archiverVariables.shape)
      .filter(([, schema]) => !variableMeta(schema as z.ZodType)?.purpose)
      .map(([name]) => name);
    expect(undescribed).toEqual([]);
  });
});
