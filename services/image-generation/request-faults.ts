import {
  type FieldViolation,
  InvalidRequestError,
  type NotFoundError,
  type PreconditionError,
} from './errors.ts';

/** Collects what is wrong with a request; the gravest kind is thrown. */
export class Faults {
  readonly #violations: FieldViolation[] = [];
  #notFound: NotFoundError | undefined;
  #precondition: PreconditionError | undefined;

  add(field: string, reason: string, description: string): void {
    this.#violations.push({ field, reason, description });
  }

  notFound(error: NotFoundError): void {
    this.#notFound ??= error;
  }

  precondition(error: PreconditionError): void {
    this.#precondition ??= error;
  }

  /** A malformed request outranks a missing resource, which outranks what this engine cannot do. */
  throwIfAny(): void {
    const [first, ...others] = this.#violations;
    if (first !== undefined) throw new InvalidRequestError([first, ...others]);
    if (this.#notFound !== undefined) throw this.#notFound;
    if (this.#precondition !== undefined) throw this.#precondition;
  }
}
