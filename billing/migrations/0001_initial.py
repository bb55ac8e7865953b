"""Every table of money."""

import billing.models.codes
import billing.models.credit
import billing.models.limits
import billing.models.payments
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Freeze',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='+', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('reason', models.CharField(choices=[('dispute', 'A payment is disputed'), ('debt', 'Money is owed')], max_length=8)),
                ('since', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='LedgerScale',
            fields=[
                ('asset', models.CharField(max_length=3, primary_key=True, serialize=False)),
                ('units_per_currency_unit', models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='BalanceWatch',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='balance_watch', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('threshold_nano', models.BigIntegerField()),
                ('rearm_nano', models.BigIntegerField()),
                ('armed', models.BooleanField(default=True)),
                ('fired', models.IntegerField(default=0)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('threshold_nano__gte', 1), ('threshold_nano__lte', 9000000000000000000), ('rearm_nano__gte', 1), ('rearm_nano__lte', 9000000000000000000)), name='balance_watch_bounds'), models.CheckConstraint(condition=models.Q(('rearm_nano__gt', models.F('threshold_nano'))), name='balance_watch_rearms_above_its_threshold')],
            },
        ),
        migrations.CreateModel(
            name='LedgerAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('user.paid', 'Paid credit'), ('user.promo', 'Promotional credit'), ('user.reward', 'Reward credit'), ('user.debt', 'Debt'), ('ref.pending', 'Pending rewards'), ('ref.available', 'Available rewards'), ('ref.reserved', 'Rewards in withdrawal'), ('ref.debt', 'Reward debt'), ('cash.offline', 'Cash taken outside'), ('cash.stripe', 'Cash at Stripe'), ('cash.payout', 'Paid out'), ('tax.withheld', 'Tax withheld'), ('revenue.api', 'API revenue'), ('revenue.breakage', 'Expired credit'), ('revenue.payout_fee', 'Payout fees'), ('expense.referral', 'Referral rewards'), ('expense.promo', 'Promotions'), ('expense.payment_fee', 'Payment fees'), ('expense.loss', 'Losses'), ('equity.adjust', 'Adjustments')], max_length=24)),
                ('asset', models.CharField(default='USD', max_length=3)),
                ('sign', models.SmallIntegerField()),
                ('guarded', models.BooleanField()),
                ('live', models.BooleanField()),
                ('credits', models.BigIntegerField(default=0)),
                ('debits', models.BigIntegerField(default=0)),
                ('held', models.BigIntegerField(default=0)),
                ('owner', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='ledger_accounts', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerAudit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('finished_at', models.DateTimeField()),
                ('took_ms', models.IntegerField(default=0)),
                ('checked', models.IntegerField(default=0)),
                ('asked', models.CharField(choices=[('schedule', 'On schedule'), ('command', 'From the command line'), ('page', 'From the page')], default='schedule', max_length=8)),
                ('is_clean', models.BooleanField()),
                ('findings', models.JSONField(default=dict)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='LedgerCheckpoint',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('txn_kind', models.CharField(max_length=32)),
                ('debits', models.BigIntegerField()),
                ('credits', models.BigIntegerField()),
                ('until', models.DateTimeField()),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgeraccount')),
            ],
        ),
        migrations.CreateModel(
            name='LedgerFlow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('txn_kind', models.CharField(max_length=32)),
                ('debit_kind', models.CharField(max_length=24)),
                ('credit_kind', models.CharField(max_length=24)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('txn_kind', 'debit_kind', 'credit_kind'), name='ledger_flow_unique')],
            },
        ),
        migrations.CreateModel(
            name='LedgerTxn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=32)),
                ('idempotency_key', models.CharField(max_length=200, unique=True)),
                ('request_hash', models.CharField(max_length=64)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('source_type', models.CharField(blank=True, max_length=32)),
                ('source_id', models.CharField(blank=True, max_length=80)),
                ('policy_version', models.IntegerField(null=True)),
                ('effective_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('actor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('reverses', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='reversed_by', to='billing.ledgertxn')),
            ],
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('asset', models.CharField(default='USD', max_length=3)),
                ('amount', models.BigIntegerField()),
                ('credit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_entries', to='billing.ledgeraccount')),
                ('debit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='debit_entries', to='billing.ledgeraccount')),
                ('txn', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='billing.ledgertxn')),
            ],
        ),
        migrations.CreateModel(
            name='Grant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=billing.models.credit.grant_public_id, editable=False, max_length=32)),
                ('client_id', models.UUIDField(default=uuid.uuid4)),
                ('kind', models.CharField(choices=[('paid', 'Paid credit'), ('promo', 'Promotional credit')], max_length=8)),
                ('amount_nano', models.BigIntegerField()),
                ('credit_expires_at', models.DateTimeField(null=True)),
                ('reason', models.CharField(max_length=500)),
                ('state', models.CharField(choices=[('pending', 'Waits for a second person'), ('posted', 'Granted'), ('refused', 'Refused')], max_length=8)),
                ('two_people', models.BooleanField()),
                ('requested_at', models.DateTimeField()),
                ('decided_at', models.DateTimeField(null=True)),
                ('decision', models.CharField(blank=True, max_length=500)),
                ('decided_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('requested_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='grants', to=settings.AUTH_USER_MODEL)),
                ('txn', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='grants', to='billing.ledgertxn')),
            ],
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('low_balance', 'The balance falls below my threshold'), ('limit_reached', 'A spend limit is used to 50, 80 or 100 %'), ('promo_expiring', 'Promotional credit expires within a week'), ('topup_receipt', 'Receipt of each top-up'), ('auto_topup_failed', 'An automatic top-up failed'), ('auto_topup_action', 'An automatic top-up needs my confirmation'), ('payment_disputed', 'A payment was disputed'), ('refund', 'A payment was refunded')], max_length=32)),
                ('key', models.CharField(max_length=200)),
                ('data', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField()),
                ('due_at', models.DateTimeField()),
                ('attempts', models.SmallIntegerField(default=0)),
                ('sent_at', models.DateTimeField(null=True)),
                ('dropped_because', models.CharField(blank=True, choices=[('unwanted', 'Switched off by the person'), ('gone', 'The account is closed'), ('failed', 'Given up after several attempts')], max_length=12)),
                ('last_error', models.CharField(blank=True, max_length=120)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notices', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='NoticeOff',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('low_balance', 'The balance falls below my threshold'), ('limit_reached', 'A spend limit is used to 50, 80 or 100 %'), ('promo_expiring', 'Promotional credit expires within a week'), ('topup_receipt', 'Receipt of each top-up')], max_length=32)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices_off', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Payment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=billing.models.payments.payment_public_id, editable=False, max_length=32)),
                ('kind', models.CharField(choices=[('checkout', 'Top-up'), ('auto', 'Automatic top-up')], default='checkout', max_length=8)),
                ('client_id', models.UUIDField(default=uuid.uuid4)),
                ('amount_nano', models.BigIntegerField()),
                ('state', models.CharField(choices=[('new', 'Being prepared'), ('open', 'Waiting for payment'), ('processing', 'Waiting for confirmation'), ('action', 'Needs your confirmation'), ('expired', 'Not paid'), ('failed', 'Failed'), ('paid', 'Paid')], default='new', max_length=10)),
                ('saves_card', models.BooleanField(default=False)),
                ('session_id', models.CharField(max_length=200, null=True)),
                ('intent_id', models.CharField(max_length=200, null=True)),
                ('checkout_url', models.CharField(blank=True, max_length=2000)),
                ('method', models.CharField(blank=True, max_length=24)),
                ('method_hint', models.CharField(blank=True, max_length=40)),
                ('decline_code', models.CharField(blank=True, max_length=64)),
                ('fee_nano', models.BigIntegerField(null=True)),
                ('refunded_nano', models.BigIntegerField(default=0)),
                ('receipt_number', models.BigIntegerField(null=True)),
                ('buyer_email', models.EmailField(blank=True, max_length=254)),
                ('alarm', models.CharField(blank=True, choices=[('amount', 'The amount or currency does not match.'), ('mode', 'The event belongs to the other mode, test or live.'), ('object', 'It names an object that belongs to another payment.'), ('lost', 'The outcome could not be learned in time.')], max_length=12)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('paid_at', models.DateTimeField(null=True)),
                ('look_at', models.DateTimeField(null=True)),
                ('looks', models.IntegerField(default=0)),
                ('txn', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='payments', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Dispute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('stripe_id', models.CharField(max_length=200)),
                ('amount_nano', models.BigIntegerField()),
                ('reason', models.CharField(blank=True, max_length=64)),
                ('state', models.CharField(choices=[('open', 'Open'), ('lost', 'Lost'), ('won', 'Won')], default='open', max_length=4)),
                ('fee_nano', models.BigIntegerField(default=0)),
                ('opened_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('txn', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
                ('won_txn', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disputes', to='billing.payment')),
            ],
        ),
        migrations.CreateModel(
            name='AutoTopUp',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='auto_topup', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('is_on', models.BooleanField(default=False)),
                ('threshold_nano', models.BigIntegerField()),
                ('amount_nano', models.BigIntegerField()),
                ('monthly_cap_nano', models.BigIntegerField()),
                ('customer_id', models.CharField(blank=True, max_length=200)),
                ('card_id', models.CharField(blank=True, max_length=200)),
                ('card_hint', models.CharField(blank=True, max_length=40)),
                ('consented_at', models.DateTimeField(null=True)),
                ('wants_on', models.BooleanField(default=False)),
                ('failures', models.SmallIntegerField(default=0)),
                ('next_try_at', models.DateTimeField(null=True)),
                ('off_because', models.CharField(blank=True, choices=[('', 'Not switched on'), ('owner', 'Switched off by you'), ('declined', 'Switched off after several declines'), ('disputed', 'Switched off after a dispute')], max_length=8)),
                ('card_from', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.payment')),
            ],
        ),
        migrations.CreateModel(
            name='PaymentEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('event_id', models.CharField(max_length=200)),
                ('kind', models.CharField(max_length=80)),
                ('object_id', models.CharField(blank=True, max_length=200)),
                ('intent_id', models.CharField(blank=True, max_length=200)),
                ('is_live', models.BooleanField()),
                ('body', models.JSONField()),
                ('state', models.CharField(choices=[('stored', 'Not applied yet'), ('waiting', 'Waits for its payment'), ('applied', 'Applied'), ('ignored', 'Nothing of ours'), ('refused', 'Does not fit our row')], default='stored', max_length=8)),
                ('received_at', models.DateTimeField()),
                ('applied_at', models.DateTimeField(null=True)),
                ('payment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='billing.payment')),
            ],
        ),
        migrations.CreateModel(
            name='PaymentRefund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=billing.models.payments.refund_public_id, editable=False, max_length=32)),
                ('client_id', models.UUIDField(default=uuid.uuid4)),
                ('stripe_id', models.CharField(max_length=200, null=True)),
                ('amount_nano', models.BigIntegerField()),
                ('state', models.CharField(choices=[('reserved', 'Set aside, Stripe is asked'), ('refused', 'Refused by Stripe'), ('done', 'Refunded'), ('failed', 'Came back')], max_length=8)),
                ('reason', models.CharField(blank=True, max_length=500)),
                ('failure', models.CharField(blank=True, max_length=80)),
                ('created_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('look_at', models.DateTimeField(null=True)),
                ('asked_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('payment', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='billing.payment')),
                ('txn', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
                ('undone', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
            ],
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model', models.CharField(max_length=80)),
                ('effective_from', models.DateTimeField()),
                ('input_nano_per_mtok', models.BigIntegerField(default=0)),
                ('cached_input_nano_per_mtok', models.BigIntegerField(null=True)),
                ('cache_write_nano_per_mtok', models.BigIntegerField(null=True)),
                ('output_nano_per_mtok', models.BigIntegerField(default=0)),
                ('reasoning_nano_per_mtok', models.BigIntegerField(null=True)),
                ('image_nano', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='PromoBook',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='promo_book', serialize=False, to=settings.AUTH_USER_MODEL)),
                ('credits', models.BigIntegerField(default=0)),
                ('debits', models.BigIntegerField(default=0)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('credits__gte', 0), ('credits__lte', 9000000000000000000), ('debits__gte', 0), ('debits__lte', 9000000000000000000)), name='promo_book_bounds'), models.CheckConstraint(condition=models.Q(('credits__gte', models.F('debits'))), name='promo_book_never_negative')],
            },
        ),
        migrations.CreateModel(
            name='PromoLot',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount_nano', models.BigIntegerField()),
                ('remaining_nano', models.BigIntegerField()),
                ('expired_nano', models.BigIntegerField(default=0)),
                ('source', models.CharField(blank=True, max_length=500)),
                ('granted_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('warn_at', models.DateTimeField(null=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('txn', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='promo_lots', to='billing.ledgertxn')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='promo_lots', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='RedeemCodeBatch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=billing.models.codes.batch_public_id, editable=False, max_length=32)),
                ('client_id', models.UUIDField(default=uuid.uuid4)),
                ('name', models.CharField(max_length=120)),
                ('kind', models.CharField(choices=[('paid', 'Paid'), ('promo', 'Promotional')], max_length=8)),
                ('amount_nano', models.BigIntegerField()),
                ('count', models.IntegerField()),
                ('uses', models.IntegerField()),
                ('per_person', models.IntegerField()),
                ('expires_at', models.DateTimeField(null=True)),
                ('credit_expires_after_days', models.IntegerField(null=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('disabled_at', models.DateTimeField(null=True)),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('disabled_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='RedeemCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=40, unique=True)),
                ('kind', models.CharField(choices=[('paid', 'Paid'), ('promo', 'Promotional')], max_length=8)),
                ('amount_nano', models.BigIntegerField()),
                ('uses', models.IntegerField(default=1)),
                ('uses_left', models.IntegerField(default=1)),
                ('expires_at', models.DateTimeField(null=True)),
                ('credit_expires_after_days', models.IntegerField(null=True)),
                ('disabled_at', models.DateTimeField(null=True)),
                ('disabled_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='codes', to='billing.redeemcodebatch')),
            ],
        ),
        migrations.CreateModel(
            name='Redemption',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('nth', models.IntegerField(default=1)),
                ('redeemed_at', models.DateTimeField()),
                ('batch', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='redemptions', to='billing.redeemcodebatch')),
                ('code', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='redemptions', to='billing.redeemcode')),
                ('txn', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='redemptions', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='SealedStatement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField()),
                ('document', models.TextField()),
                ('previous_hash', models.CharField(max_length=64)),
                ('hash', models.CharField(max_length=64)),
                ('sealed_at', models.DateTimeField()),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='SpendLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=billing.models.limits.limit_public_id, editable=False, max_length=32)),
                ('window', models.CharField(choices=[('day', 'Daily'), ('week', 'Weekly'), ('month', 'Monthly')], max_length=5)),
                ('amount_nano', models.BigIntegerField()),
                ('spent_nano', models.BigIntegerField(default=0)),
                ('period_start', models.DateTimeField()),
                ('zone', models.CharField(max_length=64)),
                ('noticed_percent', models.SmallIntegerField(default=0)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('key', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='spend_limits', to='accounts.apikey')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='spend_limits', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Usage',
            fields=[
                ('promo_nano', models.BigIntegerField(default=0)),
                ('reward_nano', models.BigIntegerField(default=0)),
                ('paid_nano', models.BigIntegerField(default=0)),
                ('request_id', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('model', models.CharField(max_length=80)),
                ('endpoint', models.CharField(max_length=24)),
                ('channel', models.CharField(blank=True, max_length=80)),
                ('stream', models.BooleanField(default=False)),
                ('status', models.CharField(choices=[('ok', 'Completed'), ('stopped', 'Client left'), ('failed', 'Failed'), ('expired', 'Interrupted')], max_length=8)),
                ('http_status', models.SmallIntegerField()),
                ('error_code', models.CharField(blank=True, max_length=64)),
                ('client_request_id', models.CharField(blank=True, max_length=128)),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(default=0)),
                ('images', models.IntegerField(default=0)),
                ('image_class', models.CharField(blank=True, max_length=40)),
                ('source', models.CharField(choices=[('upstream', 'Reported by the provider'), ('counted', 'Counted by us'), ('none', 'Nothing delivered')], max_length=8)),
                ('held_nano', models.BigIntegerField(default=0)),
                ('charge_nano', models.BigIntegerField(default=0)),
                ('uncollected_nano', models.BigIntegerField(default=0)),
                ('refunded_nano', models.BigIntegerField(default=0)),
                ('not_charged_because', models.CharField(blank=True, max_length=40)),
                ('late', models.BooleanField(default=False)),
                ('started_at', models.DateTimeField()),
                ('settled_at', models.DateTimeField()),
                ('sent_ms', models.IntegerField(null=True)),
                ('first_byte_ms', models.IntegerField(null=True)),
                ('total_ms', models.IntegerField(default=0)),
                ('key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='usage', to='accounts.apikey')),
                ('price', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.price')),
                ('txn', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.ledgertxn')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='usage', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='UsageDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('promo_nano', models.BigIntegerField(default=0)),
                ('reward_nano', models.BigIntegerField(default=0)),
                ('paid_nano', models.BigIntegerField(default=0)),
                ('model', models.CharField(max_length=80)),
                ('endpoint', models.CharField(max_length=24)),
                ('status', models.CharField(choices=[('ok', 'Completed'), ('stopped', 'Client left'), ('failed', 'Failed'), ('expired', 'Interrupted')], max_length=8)),
                ('calls', models.BigIntegerField(default=0)),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(default=0)),
                ('images', models.BigIntegerField(default=0)),
                ('charge_nano', models.BigIntegerField(default=0)),
                ('uncollected_nano', models.BigIntegerField(default=0)),
                ('refunded_nano', models.BigIntegerField(default=0)),
                ('day', models.DateField()),
                ('key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.apikey')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='UsageHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('promo_nano', models.BigIntegerField(default=0)),
                ('reward_nano', models.BigIntegerField(default=0)),
                ('paid_nano', models.BigIntegerField(default=0)),
                ('model', models.CharField(max_length=80)),
                ('endpoint', models.CharField(max_length=24)),
                ('status', models.CharField(choices=[('ok', 'Completed'), ('stopped', 'Client left'), ('failed', 'Failed'), ('expired', 'Interrupted')], max_length=8)),
                ('calls', models.BigIntegerField(default=0)),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('cached_tokens', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(default=0)),
                ('images', models.BigIntegerField(default=0)),
                ('charge_nano', models.BigIntegerField(default=0)),
                ('uncollected_nano', models.BigIntegerField(default=0)),
                ('refunded_nano', models.BigIntegerField(default=0)),
                ('hour', models.DateTimeField()),
                ('key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.apikey')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Hold',
            fields=[
                ('promo_nano', models.BigIntegerField(default=0)),
                ('reward_nano', models.BigIntegerField(default=0)),
                ('paid_nano', models.BigIntegerField(default=0)),
                ('request_id', models.CharField(max_length=40, primary_key=True, serialize=False)),
                ('amount', models.BigIntegerField()),
                ('state', models.CharField(choices=[('open', 'Open'), ('settled', 'Settled'), ('released', 'Released'), ('expired', 'Expired')], default='open', max_length=8)),
                ('context', models.JSONField(default=dict)),
                ('created_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField()),
                ('closed_at', models.DateTimeField(null=True)),
                ('key', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.apikey')),
                ('user', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state', 'open')), fields=['expires_at'], name='hold_open_deadline'), models.Index(condition=models.Q(('state', 'open')), fields=['user'], name='hold_open_user')],
                'constraints': [models.CheckConstraint(condition=models.Q(('amount__gte', 0), ('amount__lte', 9000000000000000000)), name='hold_amount'), models.CheckConstraint(condition=models.Q(('paid_nano__gte', 0), ('promo_nano__gte', 0), ('reward_nano__gte', 0), ('amount', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('promo_nano'), '+', models.F('reward_nano')), '+', models.F('paid_nano')))), name='hold_is_the_sum_of_its_parts'), models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('closed_at__isnull', False)), _connector='OR'), name='hold_open_or_closed')],
            },
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.UniqueConstraint(fields=('kind', 'owner', 'asset'), name='ledger_account_unique_owned'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.UniqueConstraint(condition=models.Q(('owner', None)), fields=('kind', 'asset'), name='ledger_account_unique_system'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.CheckConstraint(condition=models.Q(('sign__in', [1, -1])), name='ledger_account_sign'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.CheckConstraint(condition=models.Q(('credits__gte', 0), ('credits__lte', 9000000000000000000), ('debits__gte', 0), ('debits__lte', 9000000000000000000), ('held__gte', 0), ('held__lte', 9000000000000000000)), name='ledger_account_bounds'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.CheckConstraint(condition=models.Q(('guarded', False), models.Q(('credits__gte', django.db.models.expressions.CombinedExpression(models.F('debits'), '+', models.F('held'))), ('sign', 1)), models.Q(('debits__gte', models.F('credits')), ('sign', -1)), _connector='OR'), name='ledger_account_never_negative'),
        ),
        migrations.AddConstraint(
            model_name='ledgeraccount',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('guarded', False), ('live', False), ('owner', None)), models.Q(('guarded', True), ('live', True), ('owner__isnull', False)), _connector='OR'), name='ledger_account_owned_is_live_and_guarded'),
        ),
        migrations.AddIndex(
            model_name='ledgeraudit',
            index=models.Index(fields=['-finished_at'], name='ledger_audit_latest'),
        ),
        migrations.AddConstraint(
            model_name='ledgercheckpoint',
            constraint=models.UniqueConstraint(fields=('account', 'txn_kind'), name='ledger_checkpoint_unique'),
        ),
        migrations.AddConstraint(
            model_name='ledgercheckpoint',
            constraint=models.CheckConstraint(condition=models.Q(('debits__gte', 0), ('debits__lte', 9000000000000000000), ('credits__gte', 0), ('credits__lte', 9000000000000000000)), name='ledger_checkpoint_bounds'),
        ),
        migrations.AddIndex(
            model_name='ledgertxn',
            index=models.Index(fields=['source_type', 'source_id'], name='ledger_txn_source'),
        ),
        migrations.AddIndex(
            model_name='ledgertxn',
            index=models.Index(fields=['kind', 'effective_at'], name='ledger_txn_kind_time'),
        ),
        migrations.AddIndex(
            model_name='ledgertxn',
            index=models.Index(fields=['created_at'], name='ledger_txn_created'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gte', 1), ('amount__lte', 9000000000000000000)), name='ledger_entry_amount'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('debit', models.F('credit')), _negated=True), name='ledger_entry_two_accounts'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['user', '-requested_at'], name='grant_of_person'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(condition=models.Q(('state', 'pending')), fields=['requested_at'], name='grant_pending'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(fields=('public_id',), name='grant_public_id'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(fields=('client_id',), name='grant_once_per_form'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(fields=('txn',), name='grant_once_per_posting'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='grant_amount'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='grant_has_a_reason'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'posted'), ('txn__isnull', False)), models.Q(models.Q(('state', 'posted'), _negated=True), ('txn', None)), _connector='OR'), name='grant_posted_has_a_posting'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at', None), ('decided_by', None), ('state', 'pending')), models.Q(models.Q(('state', 'pending'), _negated=True), ('decided_at__isnull', False), ('decided_by__isnull', False)), _connector='OR'), name='grant_decided_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'posted'), _negated=True), models.Q(models.Q(('decided_by', models.F('user')), _negated=True), models.Q(('two_people', False), models.Q(('decided_by', models.F('requested_by')), _negated=True), _connector='OR')), _connector='OR'), name='grant_by_two_people'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(condition=models.Q(('dropped_because', ''), ('sent_at', None)), fields=['due_at'], name='notice_due'),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['user', '-id'], name='notice_of_person'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.UniqueConstraint(fields=('key',), name='notice_once'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.CheckConstraint(condition=models.Q(('sent_at', None), ('dropped_because', ''), _connector='OR'), name='notice_one_end'),
        ),
        migrations.AddConstraint(
            model_name='noticeoff',
            constraint=models.UniqueConstraint(fields=('user', 'kind'), name='notice_off_once'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['user', '-created_at', '-id'], name='payment_user_time'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['-created_at', '-id'], name='payment_time'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(condition=models.Q(('look_at__isnull', False)), fields=['look_at'], name='payment_due'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='payment_amount'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('public_id',), name='payment_public_id'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('session_id',), name='payment_once_per_session'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('intent_id',), name='payment_once_per_intent'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('receipt_number',), name='payment_number'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('txn',), name='payment_credited_once'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(fields=('user', 'client_id'), name='payment_once_per_form'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'auto'), ('state__in', ['new', 'open', 'processing', 'action'])), fields=('user',), name='payment_one_automatic_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('paid_at__isnull', False), ('receipt_number__isnull', False), ('state', 'paid'), ('txn__isnull', False)), models.Q(models.Q(('state', 'paid'), _negated=True), ('fee_nano', None), ('paid_at', None), ('receipt_number', None), ('refunded_nano', 0), ('txn', None)), _connector='OR'), name='payment_paid_is_posted'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('refunded_nano__gte', 0), ('refunded_nano__lte', models.F('amount_nano'))), name='payment_refund_within'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('fee_nano', None), models.Q(('fee_nano__gte', 0), ('fee_nano__lte', models.F('amount_nano'))), _connector='OR'), name='payment_fee'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.UniqueConstraint(fields=('stripe_id',), name='dispute_once'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.UniqueConstraint(fields=('txn',), name='dispute_posted_once'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.UniqueConstraint(fields=('won_txn',), name='dispute_won_once'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='dispute_amount'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('fee_nano__gte', 0), ('fee_nano__lte', 9000000000000000000)), name='dispute_fee'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'won'), ('won_txn__isnull', False)), models.Q(models.Q(('state', 'won'), _negated=True), ('won_txn', None)), _connector='OR'), name='dispute_won_is_posted'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('closed_at__isnull', False)), _connector='OR'), name='dispute_open_or_closed'),
        ),
        migrations.AddIndex(
            model_name='autotopup',
            index=models.Index(condition=models.Q(('is_on', True)), fields=['next_try_at'], name='auto_topup_on'),
        ),
        migrations.AddConstraint(
            model_name='autotopup',
            constraint=models.CheckConstraint(condition=models.Q(('threshold_nano__gte', 1), ('threshold_nano__lte', 9000000000000000000), ('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000), ('monthly_cap_nano__gte', 1), ('monthly_cap_nano__lte', 9000000000000000000)), name='auto_topup_amounts'),
        ),
        migrations.AddConstraint(
            model_name='autotopup',
            constraint=models.CheckConstraint(condition=models.Q(('monthly_cap_nano__gte', models.F('amount_nano'))), name='auto_topup_cap'),
        ),
        migrations.AddConstraint(
            model_name='autotopup',
            constraint=models.CheckConstraint(condition=models.Q(('is_on', False), models.Q(models.Q(('card_id', ''), _negated=True), models.Q(('customer_id', ''), _negated=True), ('consented_at__isnull', False), ('off_because', '')), _connector='OR'), name='auto_topup_needs_consent'),
        ),
        migrations.AddIndex(
            model_name='paymentevent',
            index=models.Index(condition=models.Q(('state__in', ['stored', 'waiting'])), fields=['received_at'], name='payment_event_due'),
        ),
        migrations.AddIndex(
            model_name='paymentevent',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['intent_id'], name='payment_event_waiting'),
        ),
        migrations.AddConstraint(
            model_name='paymentevent',
            constraint=models.UniqueConstraint(fields=('event_id',), name='payment_event_once'),
        ),
        migrations.AddConstraint(
            model_name='paymentevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('applied_at', None), ('state__in', ['stored', 'waiting'])), models.Q(models.Q(('state__in', ['stored', 'waiting']), _negated=True), ('applied_at__isnull', False)), _connector='OR'), name='payment_event_applied'),
        ),
        migrations.AddIndex(
            model_name='paymentrefund',
            index=models.Index(condition=models.Q(('state', 'reserved')), fields=['look_at'], name='payment_refund_due'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='payment_refund_amount'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.UniqueConstraint(fields=('public_id',), name='payment_refund_public_id'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.UniqueConstraint(fields=('stripe_id',), name='payment_refund_once'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.UniqueConstraint(fields=('txn',), name='payment_refund_posted_once'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.UniqueConstraint(fields=('undone',), name='payment_refund_undone_once'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.UniqueConstraint(fields=('payment', 'client_id'), name='payment_refund_once_per_form'),
        ),
        migrations.AddConstraint(
            model_name='paymentrefund',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at', None), ('state', 'reserved'), ('txn', None), ('undone', None)), models.Q(('closed_at__isnull', False), ('state', 'refused'), ('txn', None), ('undone', None)), models.Q(('closed_at__isnull', False), ('state', 'done'), ('stripe_id__isnull', False), ('txn__isnull', False), ('undone', None)), models.Q(('closed_at__isnull', False), ('state', 'failed'), ('txn__isnull', False), ('undone__isnull', False)), models.Q(('closed_at__isnull', False), ('state', 'failed'), ('txn', None), ('undone', None)), _connector='OR'), name='payment_refund_is_posted'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.UniqueConstraint(fields=('model', 'effective_from'), name='price_one_per_moment'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('input_nano_per_mtok__gte', 0), ('input_nano_per_mtok__lte', 9000000000000000000), ('output_nano_per_mtok__gte', 0), ('output_nano_per_mtok__lte', 9000000000000000000)), name='price_bounds'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('cached_input_nano_per_mtok', None), models.Q(('cached_input_nano_per_mtok__gte', 0), ('cached_input_nano_per_mtok__lte', 9000000000000000000)), _connector='OR'), models.Q(('cache_write_nano_per_mtok', None), models.Q(('cache_write_nano_per_mtok__gte', 0), ('cache_write_nano_per_mtok__lte', 9000000000000000000)), _connector='OR'), models.Q(('reasoning_nano_per_mtok', None), models.Q(('reasoning_nano_per_mtok__gte', 0), ('reasoning_nano_per_mtok__lte', 9000000000000000000)), _connector='OR')), name='price_narrow_bounds'),
        ),
        migrations.AddIndex(
            model_name='promolot',
            index=models.Index(condition=models.Q(('closed_at', None)), fields=['expires_at'], name='promo_lot_due'),
        ),
        migrations.AddIndex(
            model_name='promolot',
            index=models.Index(condition=models.Q(('warn_at__isnull', False)), fields=['warn_at'], name='promo_lot_to_warn'),
        ),
        migrations.AddConstraint(
            model_name='promolot',
            constraint=models.UniqueConstraint(fields=('txn',), name='promo_lot_once_per_posting'),
        ),
        migrations.AddConstraint(
            model_name='promolot',
            constraint=models.CheckConstraint(condition=models.Q(('remaining_nano__gte', 0), ('remaining_nano__lte', 9000000000000000000), ('expired_nano__gte', 0), ('expired_nano__lte', 9000000000000000000)), name='promo_lot_bounds'),
        ),
        migrations.AddConstraint(
            model_name='promolot',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='promo_lot_amount'),
        ),
        migrations.AddConstraint(
            model_name='promolot',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', django.db.models.expressions.CombinedExpression(models.F('remaining_nano'), '+', models.F('expired_nano')))), name='promo_lot_within_amount'),
        ),
        migrations.AddConstraint(
            model_name='promolot',
            constraint=models.CheckConstraint(condition=models.Q(('closed_at', None), ('remaining_nano', 0), _connector='OR'), name='promo_lot_closed_is_empty'),
        ),
        migrations.AddConstraint(
            model_name='promolot',
            constraint=models.CheckConstraint(condition=models.Q(('txn__isnull', False), ('expires_at', None), _connector='OR'), name='promo_lot_given_back_stays'),
        ),
        migrations.AddConstraint(
            model_name='promolot',
            constraint=models.UniqueConstraint(condition=models.Q(('txn', None)), fields=('user',), name='promo_lot_one_given_back'),
        ),
        migrations.AddConstraint(
            model_name='redeemcodebatch',
            constraint=models.UniqueConstraint(fields=('public_id',), name='code_batch_public_id'),
        ),
        migrations.AddConstraint(
            model_name='redeemcodebatch',
            constraint=models.UniqueConstraint(fields=('client_id',), name='code_batch_once_per_form'),
        ),
        migrations.AddConstraint(
            model_name='redeemcodebatch',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='code_batch_amount'),
        ),
        migrations.AddConstraint(
            model_name='redeemcodebatch',
            constraint=models.CheckConstraint(condition=models.Q(('count__gte', 1), ('per_person__gte', 1), ('uses__gte', 1)), name='code_batch_counts'),
        ),
        migrations.AddConstraint(
            model_name='redeemcodebatch',
            constraint=models.CheckConstraint(condition=models.Q(('credit_expires_after_days', None), models.Q(('credit_expires_after_days__gte', 1), ('credit_expires_after_days__lte', 3650), ('kind', 'promo')), _connector='OR'), name='code_batch_only_gifts_expire'),
        ),
        migrations.AddConstraint(
            model_name='redeemcode',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='redeem_code_amount'),
        ),
        migrations.AddConstraint(
            model_name='redeemcode',
            constraint=models.CheckConstraint(condition=models.Q(('uses_left__gte', 0)), name='redeem_code_uses_left'),
        ),
        migrations.AddConstraint(
            model_name='redeemcode',
            constraint=models.CheckConstraint(condition=models.Q(('uses_left__lte', models.F('uses'))), name='redeem_code_uses'),
        ),
        migrations.AddIndex(
            model_name='redemption',
            index=models.Index(fields=['batch', '-redeemed_at'], name='redemption_of_batch'),
        ),
        migrations.AddConstraint(
            model_name='redemption',
            constraint=models.UniqueConstraint(fields=('code', 'user'), name='redemption_once_per_person'),
        ),
        migrations.AddConstraint(
            model_name='redemption',
            constraint=models.UniqueConstraint(fields=('batch', 'user', 'nth'), name='redemption_nth_of_person'),
        ),
        migrations.AddConstraint(
            model_name='sealedstatement',
            constraint=models.UniqueConstraint(fields=('user', 'month'), name='sealed_statement_one_per_month'),
        ),
        migrations.AddConstraint(
            model_name='sealedstatement',
            constraint=models.UniqueConstraint(fields=('user', 'previous_hash'), name='sealed_statement_no_fork'),
        ),
        migrations.AddConstraint(
            model_name='spendlimit',
            constraint=models.UniqueConstraint(fields=('public_id',), name='spend_limit_public_id'),
        ),
        migrations.AddConstraint(
            model_name='spendlimit',
            constraint=models.UniqueConstraint(fields=('user', 'key', 'window'), name='spend_limit_one_per_key'),
        ),
        migrations.AddConstraint(
            model_name='spendlimit',
            constraint=models.UniqueConstraint(condition=models.Q(('key', None)), fields=('user', 'window'), name='spend_limit_one_per_account'),
        ),
        migrations.AddConstraint(
            model_name='spendlimit',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nano__gte', 1), ('amount_nano__lte', 9000000000000000000)), name='spend_limit_amount'),
        ),
        migrations.AddConstraint(
            model_name='spendlimit',
            constraint=models.CheckConstraint(condition=models.Q(('spent_nano__gte', 0), ('spent_nano__lte', 9000000000000000000)), name='spend_limit_spent'),
        ),
        migrations.AddConstraint(
            model_name='spendlimit',
            constraint=models.CheckConstraint(condition=models.Q(('window__in', ['day', 'week', 'month'])), name='spend_limit_window'),
        ),
        migrations.AddConstraint(
            model_name='spendlimit',
            constraint=models.CheckConstraint(condition=models.Q(('noticed_percent__in', [0, 50, 80, 100])), name='spend_limit_noticed_percent'),
        ),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(fields=['user', '-started_at', '-request_id'], name='usage_user_time'),
        ),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(fields=['key', '-started_at', '-request_id'], name='usage_key_time'),
        ),
        migrations.AddIndex(
            model_name='usage',
            index=models.Index(condition=models.Q(('client_request_id', ''), _negated=True), fields=['user', 'client_request_id'], name='usage_client_id'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('charge_nano__gte', 0), ('charge_nano__lte', 9000000000000000000), ('uncollected_nano__gte', 0), ('uncollected_nano__lte', 9000000000000000000), ('held_nano__gte', 0), ('held_nano__lte', 9000000000000000000), ('input_tokens__gte', 0), ('input_tokens__lte', 9000000000000000000), ('output_tokens__gte', 0), ('output_tokens__lte', 9000000000000000000)), name='usage_bounds'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('cached_tokens__gte', 0), ('cached_tokens__lte', 9000000000000000000), ('cache_write_tokens__gte', 0), ('cache_write_tokens__lte', 9000000000000000000), ('reasoning_tokens__gte', 0), ('reasoning_tokens__lte', 9000000000000000000), ('images__gte', 0), ('images__lte', 9000000000000000000), ('total_ms__gte', 0), ('total_ms__lte', 9000000000000000000)), name='usage_units'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('paid_nano__gte', 0), ('promo_nano__gte', 0), ('reward_nano__gte', 0), ('charge_nano', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('promo_nano'), '+', models.F('reward_nano')), '+', models.F('paid_nano')))), name='usage_charge_is_the_sum_of_its_parts'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('charge_nano', 0), ('txn', None)), models.Q(('charge_nano__gt', 0), ('txn__isnull', False)), _connector='OR'), name='usage_charge_is_posted'),
        ),
        migrations.AddConstraint(
            model_name='usage',
            constraint=models.CheckConstraint(condition=models.Q(('refunded_nano__gte', 0), ('refunded_nano__lte', models.F('charge_nano'))), name='usage_refund_within_charge'),
        ),
        migrations.AddIndex(
            model_name='usageday',
            index=models.Index(fields=['user', 'model'], name='usage_day_user_model'),
        ),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.UniqueConstraint(fields=('user', 'day', 'key', 'model', 'endpoint', 'status'), name='usage_day_unique'),
        ),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.CheckConstraint(condition=models.Q(('charge_nano__gte', 0), ('charge_nano__lte', 9000000000000000000), ('uncollected_nano__gte', 0), ('uncollected_nano__lte', 9000000000000000000), ('refunded_nano__gte', 0), ('refunded_nano__lte', 9000000000000000000)), name='usage_day_bounds'),
        ),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.CheckConstraint(condition=models.Q(('paid_nano__gte', 0), ('promo_nano__gte', 0), ('reward_nano__gte', 0), ('charge_nano', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('promo_nano'), '+', models.F('reward_nano')), '+', models.F('paid_nano')))), name='usage_day_charge_is_the_sum_of_its_parts'),
        ),
        migrations.AddIndex(
            model_name='usagehour',
            index=models.Index(fields=['model', 'hour'], name='usage_hour_model'),
        ),
        migrations.AddIndex(
            model_name='usagehour',
            index=models.Index(fields=['user', 'model', 'hour'], name='usage_hour_user_model'),
        ),
        migrations.AddIndex(
            model_name='usagehour',
            index=models.Index(fields=['user', 'status', 'hour'], name='usage_hour_user_status'),
        ),
        migrations.AddConstraint(
            model_name='usagehour',
            constraint=models.UniqueConstraint(fields=('user', 'hour', 'key', 'model', 'endpoint', 'status'), name='usage_hour_unique'),
        ),
        migrations.AddConstraint(
            model_name='usagehour',
            constraint=models.CheckConstraint(condition=models.Q(('charge_nano__gte', 0), ('charge_nano__lte', 9000000000000000000), ('uncollected_nano__gte', 0), ('uncollected_nano__lte', 9000000000000000000), ('refunded_nano__gte', 0), ('refunded_nano__lte', 9000000000000000000)), name='usage_hour_bounds'),
        ),
        migrations.AddConstraint(
            model_name='usagehour',
            constraint=models.CheckConstraint(condition=models.Q(('paid_nano__gte', 0), ('promo_nano__gte', 0), ('reward_nano__gte', 0), ('charge_nano', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('promo_nano'), '+', models.F('reward_nano')), '+', models.F('paid_nano')))), name='usage_hour_charge_is_the_sum_of_its_parts'),
        ),
    ]
