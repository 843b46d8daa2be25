import { useTranslation } from 'react-i18next'
import { useNavigate, useSearchParams } from 'react-router'
import { ButtonLink } from '../../ui/Button'
import { Loaded } from '../../ui/Feedback'
import { Card, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { sheetsService, sourcesIn, titleOf } from './catalogue'
import { Connect } from './Connect'
import { useServices } from './data'
import { ServiceChoice } from './ServiceChoice'

export default function NewCredential() {
  const { t } = useTranslation('setup')
  const [query, setQuery] = useSearchParams()
  const navigate = useNavigate()
  const services = useServices()
  const service = query.get('service')
  return (
    <Page title={t('new.title')} lead={t('new.lead')} actions={<ButtonLink to="/credentials">{t('common:cancel')}</ButtonLink>}>
      <Loaded query={services}>{(list) => {
        const chosen = list.find((s) => s.name === service)?.name
        if (!chosen) return <ServiceChoice label={t('new.which')} services={[...sourcesIn(list.map((s) => s.name)), sheetsService]} onChoose={(s) => setQuery({ service: s })} />
        return (
          <Card title={titleOf(chosen, t)} actions={<ButtonLink to="/credentials/new" look="quiet small">{t('new.other')}</ButtonLink>}>
            <Connect key={chosen} service={chosen} onConnected={({ id, as }) => {
              toast(t('connect.connectedAs', { as }))
              void navigate(`/credentials/${id}`)
            }} />
          </Card>
        )
      }}</Loaded>
    </Page>
  )
}
