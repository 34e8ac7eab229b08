/** Classes of the errors that a client throws. They are documented in rtmon.d.ts. */

export class RtmonError extends Error {
  get name() {
    return this.constructor.name;
  }
}

export class OptionError extends RtmonError {}

export class ProtocolError extends RtmonError {
  constructor(code, message, { retry = false } = {}) {
    super(message);
    this.code = code;
    this.retry = retry;
  }
}

export class ClientClosed extends RtmonError {
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}

export class ConnectionLost extends RtmonError {}

export class QueueFull extends RtmonError {}

export class MessageExpired extends RtmonError {}

export class RequestTimeout extends RtmonError {}
