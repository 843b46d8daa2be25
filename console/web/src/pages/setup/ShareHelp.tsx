import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure, Skeleton } from '../../ui/Feedback'
import { CopyButton } from '../../ui/CopyButton'

/** How a spreadsheet gets into the list: it is shared with the service account's address. */
export function ShareHelp({ credential, onLook, looking }: { credential: number; onLook: () => void; looking: boolean }) {
  const { t } = useTranslation('setup')
  const api = useApi()
  // Only a verification tells the whole address; the credential itself is never shown again.
  const address = useQuery({ queryKey: ['setup', 'address', credential], staleTime: Infinity, queryFn: async ({ signal }) => (await api.credentials.verify(credential, { signal })).connectedAs })
  return (
    <div className="share-help">
      <p>{t('share.text')}</p>
      {address.data
        ? <div className="share-address"><code className="grow">{address.data}</code><CopyButton text={address.data} label={t('share.copy')} /></div>
        : address.error ? <Failure error={address.error} retry={() => void address.refetch()} /> : <Skeleton lines={1} />}
      <p className="small soft">{t('share.how')}</p>
      <div><Button look="small" busy={looking} onPress={onLook}>{t('share.again')}</Button></div>
    </div>
  )
}
