import './data.css'
import { addMessages } from '../../i18n'
import messages from '../../messages/en/data.json'

addMessages('data', messages)
