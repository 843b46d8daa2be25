import { useTranslation } from 'react-i18next'
import { Page } from '../../ui/Page'

export default function Dashboard() {
  const { t } = useTranslation()
  return <Page title={t('nav.dashboard')}>{null}</Page>
}
