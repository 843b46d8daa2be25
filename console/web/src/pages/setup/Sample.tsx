import { FlaskConical } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useAccount } from '../../session/context'
import { Button } from '../../ui/Button'
import { Notice } from '../../ui/Feedback'
import type { Members } from './content'
import { useAct } from './data'

/** Whether the server's providers are fake. It says so in the page. */
const sandboxed = document.querySelector<HTMLMetaElement>('meta[name=turkey-sandbox]')?.content === 'on'

/** Offers a credential of the fake providers, so that a newcomer needs no account anywhere. */
export function Sample({ service, onSample }: { service: string; onSample: (content: Members) => void }) {
  const { t } = useTranslation('setup')
  const account = useAccount()
  const take = useAct(async () => {
    const token = (await account.session.getAccessToken()) ?? ''
    const answer = await fetch(`/console/sandbox/${service}`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
    if (!answer.ok) throw new Error(String(answer.status))
    onSample((await answer.json()) as Members)
  })
  if (!sandboxed) return null
  return (
    <div className="stack-tight">
      <div className="key-file">
        <FlaskConical aria-hidden="true" />
        <div className="grow small">{t('sample.text')}</div>
        <Button look="small" busy={take.busy} onPress={() => void take.run()}>{t('sample.use')}</Button>
      </div>
      {take.error !== null && <Notice tone="bad">{t('sample.failed')}</Notice>}
    </div>
  )
}
