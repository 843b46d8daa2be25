import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { Badge, type Tone } from '../../ui/Feedback'
import type { Status } from './watch'

const tones: Record<Status, Tone | undefined> = { waiting: undefined, delayed: 'warn', active: 'info', completed: 'good', failed: 'bad', cancelled: undefined }

export function RunBadge({ run }: { run: schemas.Run }) {
  const { t } = useTranslation('data')
  return (
    <span className="row">
      <Badge tone={tones[run.status]}>{t(`runs.statuses.${run.status}`)}{run.status === 'active' && ` ${run.progress} %`}</Badge>
      {run.dryRun && <Badge>{t('runs.dry')}</Badge>}
      {run.undoneAt && <Badge>{t('runs.undone')}</Badge>}
    </span>
  )
}

/** Where each reason is mended. */
const places: Record<string, string> = {
  no_mapping: '/sheets', sheet_not_found: '/sheets', schema_mismatch: '/sheets', no_sheets_credential: '/credentials', rejected: '/credentials',
  credential_unusable: '/credentials', not_found: '/credentials', invalid: '/credentials', not_enabled: '/services',
}

/** Why a run failed, and what to do about it. */
export function Why({ run }: { run: schemas.Run }) {
  const { t } = useTranslation('data')
  if (!run.error && !run.reason) return null
  const place = places[run.reason ?? '']
  return (
    <div className="stack-tight">
      {run.error && <p>{run.error}</p>}
      <p>
        {t(`reasons.${run.reason ?? 'internal'}`, { defaultValue: t('reasons.internal') })}
        {place && <> <Link to={place}>{t(`places.${place.slice(1)}`)}</Link></>}
      </p>
    </div>
  )
}
