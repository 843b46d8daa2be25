import { useTranslation } from 'react-i18next'
import { Page } from '../../ui/Page'
import { Address } from './Address'
import { Identities } from './Identities'
import { OwnData } from './OwnData'
import { Password } from './Password'
import { Sessions } from './Sessions'

export default function Account() {
  const { t } = useTranslation('account')
  return (
    <Page title={t('title')} lead={t('lead')}>
      <Address />
      <Password />
      <Sessions />
      <Identities />
      <OwnData />
    </Page>
  )
}
