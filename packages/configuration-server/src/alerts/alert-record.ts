import { createHash } from 'node:crypto';
import { type Kind, plainKind } from '../records/kind.ts';

export type AlertSeverity = 'warning' | 'critical';

/** Something that is not well now. Nothing is kept of it once it is well again but its events. */
export interface AlertRecord {
  readonly severity: AlertSeverity;
  /** "rpo-exceeded", "agent-away" … */
  readonly code: string;
  /** Id of what it is about; empty for the installation. */
  readonly subject: string;
  readonly subjectName: string;
  /** As it was when it was raised or grew. */
  readonly text: string;
  /** Milliseconds since 1970, as all times here; 0 = never. */
  readonly since: number;
  readonly acknowledgedBy: string;
  readonly acknowledgedAt: number;
  readonly silencedBy: string;
  readonly silencedUntil: number;
}

export const alerts: Kind<AlertRecord> = plainKind('alert', 1);

/** A silence that lasts longer than its alert, should that come back; its id is the alert's. */
export const silences: Kind<Pick<AlertRecord, 'silencedBy' | 'silencedUntil'>> = plainKind('alert-silence', 1);

/** One thing has one alert of a code: its id follows from both. */
export const alertId = (subject: string, code: string): string =>
  createHash('sha256').update(`${subject}/${code}`).digest('hex').slice(0, 32);
