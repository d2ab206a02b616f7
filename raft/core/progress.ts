import type { Server } from '../configuration.ts';

/**
 * One follower as its leader sees it (§5.3). One object lives as long as one leadership replicates
 * to one server; an answer that carries another object is from another time and is dropped.
 *
 *              success                       a gap in the log
 *     ┌─ probe ───────▶ pipeline      any ─────────────────────▶ snapshot
 *     │    ▲                │                                      │
 *     └────┘    refused, failed, unreachable                       │ done or failed
 *   one request  ◀──────────┘                                      ▼
 *     at a time                                                  probe
 */
export class Progress {
  server: Server;
  state: 'probe' | 'pipeline' | 'snapshot' = 'probe';
  /** The next entry the follower needs, by what it has acknowledged. Never below 1. */
  nextIndex: number;
  /** The next entry to send: ahead of `nextIndex` by what is in flight. */
  sendIndex: number;
  /** Everything up to here is known to be in the follower's log. */
  matchIndex = 0;
  /** Requests that were sent and not answered. */
  inFlight = 0;
  /** A request is being read from the log or handed to the transport. */
  sending = false;
  /** Answers of an older epoch do not move the indexes: a failure has made them stale. */
  epoch = 0;
  /** Failures in a row of log traffic. */
  failures = 0;
  /** The pause after a failure is not over. */
  pausing = false;
  /** An empty request is wanted although the follower has all entries. */
  poked = true;
  /** The transport can send ahead of the answers. */
  canPipeline = true;
  /** When the answered request that was sent last was sent: stale answers cannot renew a lease. */
  lastContactMs: number;
  /** The newest verify round that this follower has confirmed. */
  confirmedRound = 0;
  /** The server left the configuration: it still gets entries up to here, to learn of it. */
  lastIndexToSend = Number.MAX_SAFE_INTEGER;
  /** Nothing more is sent. */
  removed = false;

  /** A heartbeat was sent and not answered. */
  beating = false;
  /** A heartbeat is wanted as soon as the one in flight is answered. */
  beatWanted = false;
  /** Failures in a row of heartbeats. */
  beatFailures = 0;

  /** The server is no longer a member and gets only what it needs to learn of it. */
  get leaving(): boolean {
    return this.lastIndexToSend !== Number.MAX_SAFE_INTEGER;
  }

  constructor(server: Server, nextIndex: number, nowMs: number) {
    this.server = server;
    this.nextIndex = nextIndex;
    this.sendIndex = nextIndex;
    this.lastContactMs = nowMs;
  }
}
