import { useTranslation } from 'react-i18next'
import { apiError } from '../../api/explain'
import { Failure, Notice } from '../../ui/Feedback'
import { CopyButton } from '../../ui/CopyButton'

/** A spreadsheet that cannot be read. Where it is not shared, the address to share it with, ready to copy. */
export function SheetTrouble({ error, retry }: { error: unknown; retry: () => void }) {
  const { t } = useTranslation('data')
  const [address] = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/.exec(apiError(error)?.message ?? '') ?? []
  return (
    <div className="stack-tight">
      <Failure error={error} retry={retry} />
      {address && (
        <Notice>
          <div className="stack-tight">
            <p>{t('viewer.share')}</p>
            <div className="row"><code>{address}</code><CopyButton text={address} label={t('viewer.copyAddress')} /></div>
          </div>
        </Notice>
      )}
    </div>
  )
}
