import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { ago, day } from '../../format'
import { Badge, Notice, type Tone } from '../../ui/Feedback'

const tones: Record<schemas.Credential['health'], Tone | undefined> = { unchecked: undefined, ok: 'good', expiring: 'warn', failing: 'warn', broken: 'bad' }

export function HealthBadge({ health }: { health: schemas.Credential['health'] }) {
  const { t } = useTranslation('setup')
  return <Badge tone={tones[health]}>{t(`health.${health}`)}</Badge>
}

/** What is to be done about a credential, if anything. */
export function HealthLine({ credential }: { credential: schemas.Credential }) {
  const { t } = useTranslation('setup')
  if (credential.health === 'ok' || credential.health === 'unchecked') return null
  const since = credential.healthAt ? t('health.since', { when: ago(credential.healthAt) }) : ''
  const words = credential.healthReason ? t(`health.reasons.${credential.healthReason}`, { defaultValue: '' }) : ''
  return (
    <Notice tone={credential.health === 'broken' ? 'bad' : 'warn'}>
      <div className="stack-tight">
        <div>{t(`health.long.${credential.health}`)} {words} {since}</div>
        {credential.healthMessage && <div className="small soft">{credential.healthMessage}</div>}
      </div>
    </Notice>
  )
}

export function Expiry({ at }: { at: string | null }) {
  const { t } = useTranslation('setup')
  if (!at) return <span className="soft">{t('never')}</span>
  return <time dateTime={at} title={day(at)} className="nowrap">{ago(at)}</time>
}
