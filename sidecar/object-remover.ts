/** Port: the bucket for whoever takes objects out of it. The archiver itself never does. */
export interface ObjectRemover {
  /** Whether an object exists under `key`; `unknown` when the credentials may not tell. */
  exists(key: string, signal: AbortSignal): Promise<'present' | 'absent' | 'unknown'>;
  /**
   * Removes the object, if there is one. `version-kept`: the bucket keeps versions, and has only hidden it.
   * @throws {TargetFault}
   */
  remove(key: string, signal: AbortSignal): Promise<'removed' | 'version-kept'>;
}
