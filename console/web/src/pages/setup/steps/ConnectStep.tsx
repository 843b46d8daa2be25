import type { schemas } from '@turkey/sdk'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from '../../../ui/Button'
import { sheetsService } from '../catalogue'
import { Connect, ConnectedAs, type Connected } from '../Connect'
import type { Members } from '../content'

interface ConnectStepProps {
  service: string
  existing: schemas.Credential | undefined
  sameKey?: Members | undefined
  /** Back to the choice of a source. */
  onOther?: () => void
  /** A Google key was given: the next step may want it too. */
  onKey: (content: Members | undefined) => void
  onDone: () => void
}

/** One credential: entered, tested, and then the way on. */
export function ConnectStep({ service, existing, sameKey, onOther, onKey, onDone }: ConnectStepProps) {
  const { t } = useTranslation('setup')
  // What was there when the step began: a refusal in the meantime must not take the form away.
  const [began] = useState(existing)
  const [connected, setConnected] = useState<Connected>()
  const works = connected ?? (began?.verified ? { id: began.id, as: began.name } : undefined)
  const other = onOther && <Button look="quiet" onPress={onOther}>{t('wizard.other')}</Button>
  if (works) {
    return (
      <>
        <ConnectedAs as={works.as} />
        <p className="soft">{t('wizard.sealed')}</p>
        <div className="row"><Button look="primary" autoFocus onPress={onDone}>{t('wizard.continue')}</Button>{other}</div>
      </>
    )
  }
  return (
    <>
      <p className="soft">{t(service === sheetsService ? 'wizard.sheetsText' : 'wizard.connectText')}</p>
      <Connect service={service} existing={began} sameKey={sameKey} onConnected={(c, content) => {
        onKey(content)
        setConnected(c)
      }} />
      {other && <div>{other}</div>}
    </>
  )
}
