import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { sourcesIn } from '../catalogue'
import { ServiceChoice } from '../ServiceChoice'

export function SourceStep({ services, connected, onChoose }: { services: readonly schemas.ServiceState[]; connected: readonly string[]; onChoose: (service: string) => void }) {
  const { t } = useTranslation('setup')
  return (
    <>
      <p className="soft">{t('wizard.sourceText')}</p>
      <ServiceChoice label={t('wizard.source')} services={sourcesIn(services.map((s) => s.name))} connected={connected} onChoose={onChoose} />
    </>
  )
}
