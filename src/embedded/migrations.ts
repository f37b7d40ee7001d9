import type { DatabaseSync } from 'node:sqlite'
import { MediaError } from '../media/errors.ts'

/**
 * The schema, one step a version: `migrations[n]` leads from `user_version` n to n + 1.
 * A step that has been released is never edited; what it lacks comes as a further step.
 */
export const migrations: readonly string[] = [
  // 1: records, jobs, the event log, wake-ups
  `
  CREATE TABLE media (
    media_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    upload_time TEXT NOT NULL,
    status TEXT NOT NULL,
    media_type TEXT NOT NULL,
    version INTEGER NOT NULL,
    event_seq INTEGER NOT NULL,
    title_folded TEXT NOT NULL,
    doc TEXT NOT NULL
  );
  CREATE INDEX media_by_user ON media (user_id, upload_time DESC, media_id DESC) WHERE status <> 'deleted';

  CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    media_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    lane TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    sweep_at INTEGER,
    wakes INTEGER NOT NULL,
    lease_until INTEGER,
    token INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    progress REAL NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL
  );
  CREATE INDEX jobs_by_media ON jobs (media_id);
  CREATE INDEX jobs_by_sweep ON jobs (sweep_at) WHERE sweep_at IS NOT NULL;

  CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    media_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    at TEXT NOT NULL,
    data TEXT NOT NULL
  );
  CREATE UNIQUE INDEX events_by_media ON events (media_id, seq);

  -- hidden_until is null while a wake-up waits, and the end of its visibility while somebody holds it.
  CREATE TABLE wakeups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    job_id TEXT NOT NULL,
    hidden_until INTEGER,
    receipt INTEGER NOT NULL DEFAULT 0
  );
  CREATE UNIQUE INDEX wakeups_waiting_once ON wakeups (lane, job_id) WHERE hidden_until IS NULL;
  CREATE INDEX wakeups_waiting ON wakeups (lane, id) WHERE hidden_until IS NULL;
  CREATE INDEX wakeups_held ON wakeups (lane, hidden_until) WHERE hidden_until IS NOT NULL;

  CREATE TABLE pulse (beats INTEGER NOT NULL);
  INSERT INTO pulse (beats) VALUES (0);
  `,
  // 2: jobs counted by state without reading them all
  `
  CREATE TABLE job_counts (state TEXT PRIMARY KEY, jobs INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO job_counts (state, jobs) VALUES ('queued', 0), ('running', 0), ('done', 0), ('parked', 0);
  UPDATE job_counts SET jobs = (SELECT count(*) FROM jobs WHERE jobs.state = job_counts.state);
  CREATE TRIGGER jobs_counted_in AFTER INSERT ON jobs BEGIN
    UPDATE job_counts SET jobs = jobs + 1 WHERE state = NEW.state;
  END;
  CREATE TRIGGER jobs_counted_over AFTER UPDATE OF state ON jobs WHEN OLD.state <> NEW.state BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE state = OLD.state;
    UPDATE job_counts SET jobs = jobs + 1 WHERE state = NEW.state;
  END;
  `,
  // 3: named cursors under a lease
  `
  CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    token INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    value TEXT
  ) WITHOUT ROWID;
  `,
  // 4: webhooks on their way; due_at only counts while they wait
  `
  CREATE TABLE deliveries (
    delivery_id TEXT PRIMARY KEY,
    endpoint_id TEXT NOT NULL,
    media_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    token INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    doc TEXT NOT NULL
  );
  CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at) WHERE state = 'waiting';
  CREATE INDEX deliveries_waiting ON deliveries (endpoint_id, media_id, seq) WHERE state = 'waiting';
  CREATE INDEX deliveries_newest ON deliveries (created_at DESC, delivery_id DESC);
  CREATE INDEX deliveries_expiring ON deliveries (expires_at);
  `,
  // 5: what operators see: jobs by state, those due longest, the workers that live
  `
  ALTER TABLE jobs ADD COLUMN worker TEXT;
  ALTER TABLE jobs ADD COLUMN parked_at INTEGER;
  CREATE INDEX jobs_by_state ON jobs (state, coalesce(sweep_at, parked_at, 9e15), job_id) WHERE state <> 'done';
  CREATE INDEX jobs_by_due ON jobs (lane, due_at) WHERE state = 'queued';
  CREATE TABLE workers (
    worker_id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    doc TEXT NOT NULL
  ) WITHOUT ROWID;
  `,
  // 6: jobs that wait for their user's others
  `
  INSERT INTO job_counts (state, jobs) VALUES ('held', 0);
  CREATE INDEX jobs_by_user ON jobs (user_id, state, created_at, job_id)
    WHERE kind = 'process' AND state IN ('held', 'queued', 'running');
  `,
  // 7: what each user has
  `
  CREATE TABLE usage (user_id TEXT PRIMARY KEY, media INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO usage (user_id, media, bytes)
    SELECT user_id, count(*), sum(coalesce(doc ->> '$.file_size', doc ->> '$.upload.file_size', 0))
    FROM media WHERE status <> 'deleted' GROUP BY user_id;
  CREATE TRIGGER media_used AFTER INSERT ON media WHEN NEW.status <> 'deleted' BEGIN
    INSERT INTO usage (user_id, media, bytes)
      VALUES (NEW.user_id, 1, coalesce(NEW.doc ->> '$.file_size', NEW.doc ->> '$.upload.file_size', 0))
      ON CONFLICT (user_id) DO UPDATE SET media = media + 1, bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER media_used_otherwise AFTER UPDATE OF doc, status ON media
    WHEN OLD.status <> 'deleted' AND (NEW.status = 'deleted'
      OR coalesce(OLD.doc ->> '$.file_size', OLD.doc ->> '$.upload.file_size', 0)
        <> coalesce(NEW.doc ->> '$.file_size', NEW.doc ->> '$.upload.file_size', 0)) BEGIN
    UPDATE usage SET media = media - (NEW.status = 'deleted'),
      bytes = bytes - coalesce(OLD.doc ->> '$.file_size', OLD.doc ->> '$.upload.file_size', 0) + CASE NEW.status
        WHEN 'deleted' THEN 0 ELSE coalesce(NEW.doc ->> '$.file_size', NEW.doc ->> '$.upload.file_size', 0) END
    WHERE user_id = NEW.user_id;
  END;
  `,
  // 8: jobs in the traces of the requests that made them
  `
  ALTER TABLE jobs ADD COLUMN trace TEXT;
  `,
]

/**
 * Brings a database to the newest schema, all steps or none.
 * @throws MediaError `unavailable` when a newer release has written it.
 */
export function migrate(db: DatabaseSync, steps: readonly string[] = migrations): void {
  db.exec('BEGIN IMMEDIATE')
  try {
    const found = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0)
    if (found > steps.length) {
      throw new MediaError(
        'unavailable',
        `the data were written by a newer release (schema ${found}; this one knows ${steps.length}): start that release, or restore a backup made before it`,
      )
    }
    for (const step of steps.slice(found)) db.exec(step)
    db.exec(`PRAGMA user_version = ${steps.length}`)
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}
