(* The imitation losses.

   A loss L z y compares a student's outputs z with a teacher's outputs y, both in R^n.  The theory asks of
   it three things (the record `compatible`): its gradient in z has the form a z - a y for one link function
   a, the Jacobian H of the link is positive semidefinite, and a direction c with <H z c, c> = 0 is orthogonal
   to every difference a y - a z of links.  This file shows that they hold for
   - the squared error (a = identity, H = identity), also with a fixed nonnegative weight b i on each output
     (a z = b z, H = diag b);
   - the cross-entropy of softmax outputs (a = softmax, H z = diag p - p p^T with p = softmax z), for which
     <H z c, c> is the variance of c under the probabilities p, so that it vanishes only if c is constant;
   - every compatible loss read through a fixed linear map of the outputs, hence for the cross-entropy of
     some of the outputs, conditioned on being one of them (a teacher whose answers are restricted to a
     subset). *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives.
Open Scope R_scope.


(* What the theorem asks of an imitation loss: its z-gradient is a z - a y, the Jacobian H of the link a is
   positive semidefinite, and what H does not see, no difference of links sees. *)
Record compatible (n : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec) : Prop := {
  comp_loss : forall z y, has_grad n (fun z' => L z' y) z (fun i => a z i - a y i);
  comp_link : forall z i, (i < n)%nat -> has_grad n (fun z' => a z' i) z (H z i);
  comp_psd : forall z c, 0 <= rsum n (fun i => dot n (H z i) c * c i);
  comp_null : forall z c, rsum n (fun i => dot n (H z i) c * c i) = 0 ->
    forall y, rsum n (fun i => (a y i - a z i) * c i) = 0 }.

Definition mse (n : nat) (z y : vec) : R := / 2 * rsum n (fun i => (z i - y i) * (z i - y i)).
Definition mse_link (z : vec) : vec := z.
Definition mse_hess (z : vec) (i : nat) : vec := delta i.

(* squared error with a fixed weight on each output *)
Definition wmse (n : nat) (b : vec) (z y : vec) : R :=
  / 2 * rsum n (fun i => b i * ((z i - y i) * (z i - y i))).
Definition wmse_link (b z : vec) : vec := fun i => b i * z i.
Definition wmse_hess (b z : vec) (i : nat) : vec := fun j => b i * delta i j.

Definition sumexp (n : nat) (z : vec) : R := rsum n (fun l => exp (z l)).
Definition softmax (n : nat) (z : vec) : vec := fun i => exp (z i) / sumexp n z.
Definition cross_entropy (n : nat) (z y : vec) : R := - rsum n (fun i => softmax n y i * ln (softmax n z i)).
Definition ce_hess (n : nat) (z : vec) (i : nat) : vec :=
  fun j => softmax n z i * (delta i j - softmax n z j).

(* mean and covariance under weights p *)
Definition mean (n : nat) (p c : vec) : R := rsum n (fun i => p i * c i).
Definition variance (n : nat) (p c : vec) : R :=
  rsum n (fun i => p i * ((c i - mean n p c) * (c i - mean n p c))).

(* --- the unit vectors --- *)
Lemma delta_sym i j : delta i j = delta j i.
Proof. unfold delta. now rewrite Nat.eqb_sym. Qed.

(* the Hessians of the squared error and of softmax cross-entropy are symmetric *)
Lemma mse_hess_sym z i j : mse_hess z i j = mse_hess z j i.
Proof. apply delta_sym. Qed.

Lemma ce_hess_sym n z i j : ce_hess n z i j = ce_hess n z j i.
Proof.
  unfold ce_hess, delta. rewrite (Nat.eqb_sym j i).
  destruct (Nat.eqb_spec i j) as [-> | _]; [reflexivity | ring].
Qed.

Lemma rsum_delta_r n f j : (j < n)%nat -> rsum n (fun i => f i * delta i j) = f j.
Proof.
  intros Hj. rewrite (rsum_ext n _ (fun i => f i * delta j i)).
  - now apply rsum_delta.
  - intros i _. now rewrite (delta_sym i j).
Qed.

Lemma dot_delta_l n a j : (j < n)%nat -> dot n (delta j) a = a j.
Proof. intros Hj. rewrite dot_sym. now apply dot_delta. Qed.

(* --- softmax --- *)
Lemma sumexp_pos n z : (0 < n)%nat -> 0 < sumexp n z.
Proof.
  intros Hn. unfold sumexp. apply rsum_pos.
  - intros i _. apply Rlt_le, exp_pos.
  - exists 0%nat. split; [exact Hn | apply exp_pos].
Qed.

Lemma softmax_pos n z i : (0 < n)%nat -> 0 < softmax n z i.
Proof. intros Hn. unfold softmax. apply Rdiv_lt_0_compat; [apply exp_pos | now apply sumexp_pos]. Qed.

Lemma softmax_sum n z : (0 < n)%nat -> rsum n (softmax n z) = 1.
Proof.
  intros Hn. rewrite (rsum_ext n _ (fun i => exp (z i) * / sumexp n z)) by reflexivity.
  rewrite rsum_scal_r. fold (sumexp n z). apply Rinv_r.
  apply Rgt_not_eq. now apply sumexp_pos.
Qed.

(* sumexp and the softmax see the first n coordinates only *)
Lemma sumexp_ext n z z' : (forall i, (i < n)%nat -> z i = z' i) -> sumexp n z = sumexp n z'.
Proof. intros E. unfold sumexp. apply rsum_ext. intros i Hi. now rewrite (E i Hi). Qed.

Lemma softmax_ext n z z' : (forall i, (i < n)%nat -> z i = z' i) ->
  forall i, (i < n)%nat -> softmax n z i = softmax n z' i.
Proof. intros E i Hi. unfold softmax. now rewrite (E i Hi), (sumexp_ext n z z' E). Qed.

Lemma cross_entropy_ext n z z' y y' : (forall i, (i < n)%nat -> z i = z' i) ->
  (forall i, (i < n)%nat -> y i = y' i) -> cross_entropy n z y = cross_entropy n z' y'.
Proof.
  intros E E'. unfold cross_entropy. f_equal. apply rsum_ext. intros i Hi.
  now rewrite (softmax_ext n z z' E i Hi), (softmax_ext n y y' E' i Hi).
Qed.

(* --- variances --- *)
Lemma variance_identity n p c : rsum n p = 1 ->
  rsum n (fun i => p i * (c i - mean n p c) * c i) = variance n p c.
Proof.
  intros Hp. unfold variance.
  assert (Z : rsum n (fun i => p i * (c i - mean n p c)) = 0).
  { rewrite (rsum_ext n _ (fun i => p i * c i - p i * mean n p c)) by (intros i _; ring).
    rewrite rsum_minus, rsum_scal_r. fold (mean n p c).
    change (rsum n (fun i => p i)) with (rsum n p). rewrite Hp. ring. }
  rewrite (rsum_ext n (fun i => p i * ((c i - mean n p c) * (c i - mean n p c)))
             (fun i => p i * (c i - mean n p c) * c i - p i * (c i - mean n p c) * mean n p c))
    by (intros i _; ring).
  rewrite rsum_minus, rsum_scal_r, Z. ring.
Qed.

Lemma ce_hess_dot n z i c : (i < n)%nat ->
  dot n (ce_hess n z i) c = softmax n z i * (c i - mean n (softmax n z) c).
Proof.
  intros Hi. unfold ce_hess. rewrite dot_scal_l. f_equal.
  rewrite dot_minus_l, (dot_delta_l n c i Hi). reflexivity.
Qed.

Lemma ce_form n z c : (0 < n)%nat ->
  rsum n (fun i => dot n (ce_hess n z i) c * c i) = variance n (softmax n z) c.
Proof.
  intros Hn. rewrite <- (variance_identity n (softmax n z) c (softmax_sum n z Hn)).
  apply rsum_ext. intros i Hi. now rewrite (ce_hess_dot n z i c Hi).
Qed.

Lemma variance_nonneg n z c : (0 < n)%nat -> 0 <= variance n (softmax n z) c.
Proof.
  intros Hn. unfold variance. apply rsum_nonneg. intros i _.
  apply Rmult_le_pos; [apply Rlt_le, (softmax_pos n z i Hn) | apply Rle_0_sqr].
Qed.

(* it is zero iff c is constant over the outputs *)
Lemma variance_zero n z c : (0 < n)%nat -> variance n (softmax n z) c = 0 ->
  forall i, (i < n)%nat -> c i = mean n (softmax n z) c.
Proof.
  intros Hn V i Hi. unfold variance in V.
  assert (P := softmax_pos n z i Hn).
  assert (T := rsum_zero n _ (fun j (_ : (j < n)%nat) => Rmult_le_pos _ _
            (Rlt_le _ _ (softmax_pos n z j Hn)) (Rle_0_sqr (c j - mean n (softmax n z) c))) V i Hi).
  cbv beta in T. apply Rmult_integral in T. destruct T as [T | T]; [lra |].
  apply Rsqr_0_uniq in T. lra.
Qed.

Lemma mean_const n z c r : (0 < n)%nat -> (forall i, (i < n)%nat -> c i = r) -> mean n (softmax n z) c = r.
Proof.
  intros Hn E. unfold mean. rewrite (rsum_ext n _ (fun i => softmax n z i * r)).
  - rewrite rsum_scal_r. change (rsum n (fun i => softmax n z i)) with (rsum n (softmax n z)).
    rewrite (softmax_sum n z Hn). ring.
  - intros i Hi. now rewrite (E i Hi).
Qed.

(* The variance under the softmax vanishes exactly on the constant vectors. *)
Theorem variance_zero_iff n z c : (0 < n)%nat ->
  (variance n (softmax n z) c = 0 <-> forall i j, (i < n)%nat -> (j < n)%nat -> c i = c j).
Proof.
  intros Hn. split.
  - intros V i j Hi Hj.
    now rewrite (variance_zero n z c Hn V i Hi), (variance_zero n z c Hn V j Hj).
  - intros E. unfold variance. apply rsum_zero_ext. intros i Hi.
    rewrite (mean_const n z c (c i) Hn) by (intros j Hj; now apply E). ring.
Qed.

(* mean and variance see the first n coordinates only *)
Lemma variance_ext n p q c d : (forall i, (i < n)%nat -> p i = q i) -> (forall i, (i < n)%nat -> c i = d i) ->
  variance n p c = variance n q d.
Proof.
  intros Ep Ec.
  assert (Em : mean n p c = mean n q d).
  { unfold mean. apply rsum_ext. intros i Hi. now rewrite (Ep i Hi), (Ec i Hi). }
  unfold variance. rewrite Em. apply rsum_ext. intros i Hi. now rewrite (Ep i Hi), (Ec i Hi).
Qed.

Lemma variance_pos n z c : (0 < n)%nat -> 0 < variance n (softmax n z) c ->
  exists i j, (i < n)%nat /\ (j < n)%nat /\ c i <> c j.
Proof.
  intros Hn P.
  assert (S : forall p, (p <= n)%nat -> (forall i, (i < p)%nat -> c i = c 0%nat) \/
    exists i, (i < n)%nat /\ c i <> c 0%nat).
  { induction p as [| p IH]; intros Hp.
    - left. intros i Hi. lia.
    - destruct IH as [E | E]; [lia | | now right].
      destruct (Req_dec (c p) (c 0%nat)) as [Q | Q].
      + left. intros i Hi. destruct (Nat.eq_dec i p) as [-> | N]; [exact Q | apply E; lia].
      + right. exists p. split; [lia | exact Q]. }
  destruct (S n (le_n n)) as [E | (i & Hi & N)].
  - exfalso. assert (Z : variance n (softmax n z) c = 0).
    { apply (variance_zero_iff n z c Hn). intros i j Hi Hj. now rewrite (E i Hi), (E j Hj). }
    lra.
  - exists i, 0%nat. now split.
Qed.

(* --- the squared error --- *)
Lemma wmse_form n b z c :
  rsum n (fun i => dot n (wmse_hess b z i) c * c i) = rsum n (fun i => b i * (c i * c i)).
Proof.
  apply rsum_ext. intros i Hi. unfold wmse_hess.
  rewrite dot_scal_l, (dot_delta_l n c i Hi). ring.
Qed.

(* The weighted squared error satisfies the interface. *)
Theorem wmse_compatible n b : (forall i, (i < n)%nat -> 0 <= b i) ->
  compatible n (wmse n b) (wmse_link b) (wmse_hess b).
Proof.
  intros Hb.
  assert (NN : forall c i, (i < n)%nat -> 0 <= b i * (c i * c i)).
  { intros c i Hi. apply Rmult_le_pos; [now apply Hb | apply Rle_0_sqr]. }
  split.
  - intros z y. unfold wmse.
    assert (D : forall i, (i < n)%nat -> has_grad n (fun z' => z' i - y i) z (fun j => delta i j - 0)).
    { intros i Hi. exact (has_grad_minus n _ _ z _ _ (has_grad_coord n i z Hi) (has_grad_const n (y i) z)). }
    eapply has_grad_ext_grad.
    + apply has_grad_scal, has_grad_sum. intros i Hi.
      apply has_grad_scal, has_grad_mult; now apply D.
    + intros j Hj. cbv beta. unfold wmse_link.
      rewrite (rsum_ext n _ (fun i => (2 * (b i * (z i - y i))) * delta i j)) by (intros i _; ring).
      rewrite (rsum_delta_r n (fun i => 2 * (b i * (z i - y i))) j Hj). field.
  - intros z i Hi. unfold wmse_link, wmse_hess.
    apply has_grad_scal. now apply has_grad_coord.
  - intros z c. rewrite wmse_form. apply rsum_nonneg. intros i Hi. now apply NN.
  - intros z c Z y. rewrite wmse_form in Z.
    assert (T := rsum_zero n _ (NN c) Z).
    apply rsum_zero_ext. intros i Hi. specialize (T i Hi). cbv beta in T. unfold wmse_link.
    apply Rmult_integral in T. destruct T as [T | T].
    + rewrite T. ring.
    + apply Rsqr_0_uniq in T. rewrite T. ring.
Qed.

Lemma mse_form n z c : rsum n (fun i => dot n (mse_hess z i) c * c i) = dot n c c.
Proof.
  unfold dot at 2. apply rsum_ext. intros i Hi. unfold mse_hess. now rewrite (dot_delta_l n c i Hi).
Qed.

(* The squared error satisfies the interface. *)
Theorem mse_compatible n : compatible n (mse n) mse_link mse_hess.
Proof.
  destruct (wmse_compatible n (fun _ => 1)) as [Hl _ _ _].
  { intros i _. lra. }
  split.
  - intros z y. apply (has_grad_ext_grad n _ z (fun i => 1 * z i - 1 * y i)).
    + apply (has_grad_ext n (fun z' => wmse n (fun _ => 1) z' y)).
      * apply Hl.
      * intros z'. unfold wmse, mse. f_equal. apply rsum_ext. intros i _. ring.
    + intros j _. unfold mse_link. ring.
  - intros z i Hi. unfold mse_link, mse_hess. now apply has_grad_coord.
  - intros z c. rewrite mse_form. apply dot_nonneg.
  - intros z c Z y. rewrite mse_form in Z. apply rsum_zero_ext. intros i Hi.
    rewrite (dot_zero n c Z i Hi). ring.
Qed.

(* --- the cross-entropy --- *)
Lemma has_grad_exp n z i : (i < n)%nat ->
  has_grad n (fun z' => exp (z' i)) z (fun j => exp (z i) * delta i j).
Proof.
  intros Hi. apply (has_grad_comp1 n exp (exp (z i)) (fun z' => z' i)).
  - apply is_derive_exp.
  - now apply has_grad_coord.
Qed.

(* The Jacobian of the softmax is diag p - p p^T with p = softmax z. *)
Theorem softmax_has_grad n z i : (0 < n)%nat -> (i < n)%nat ->
  has_grad n (fun z' => softmax n z' i) z (ce_hess n z i).
Proof.
  intros Hn Hi. assert (P := sumexp_pos n z Hn). unfold softmax.
  eapply has_grad_ext_grad.
  - apply has_grad_div.
    + now apply has_grad_exp.
    + unfold sumexp. apply has_grad_sum. intros l Hl. now apply has_grad_exp.
    + lra.
  - intros j Hj. cbv beta. rewrite (rsum_delta_r n (fun l => exp (z l)) j Hj).
    unfold ce_hess, softmax. field. lra.
Qed.

(* The cross-entropy of softmax outputs satisfies the interface. *)
Theorem ce_compatible n : (0 < n)%nat -> compatible n (cross_entropy n) (softmax n) (ce_hess n).
Proof.
  intros Hn. split.
  - intros z y. unfold cross_entropy. eapply has_grad_ext_grad.
    + apply has_grad_opp, has_grad_sum. intros i Hi. apply has_grad_scal.
      apply (has_grad_comp1 n ln (/ softmax n z i) (fun z' => softmax n z' i)).
      * apply is_derive_ln. now apply softmax_pos.
      * now apply softmax_has_grad.
    + intros j Hj. cbv beta. unfold ce_hess.
      rewrite (rsum_ext n _ (fun i => softmax n y i * delta i j - softmax n y i * softmax n z j)).
      * rewrite rsum_minus, rsum_scal_r, (rsum_delta_r n (softmax n y) j Hj).
        change (rsum n (fun i => softmax n y i)) with (rsum n (softmax n y)).
        rewrite (softmax_sum n y Hn). ring.
      * intros i _. assert (P := softmax_pos n z i Hn). field. lra.
  - intros z i Hi. now apply softmax_has_grad.
  - intros z c. rewrite (ce_form n z c Hn). now apply variance_nonneg.
  - intros z c Z y. rewrite (ce_form n z c Hn) in Z.
    rewrite (rsum_ext n _ (fun i => (softmax n y i - softmax n z i) * mean n (softmax n z) c)).
    + rewrite rsum_scal_r, rsum_minus.
      change (rsum n (fun i => softmax n y i)) with (rsum n (softmax n y)).
      change (rsum n (fun i => softmax n z i)) with (rsum n (softmax n z)).
      rewrite (softmax_sum n y Hn), (softmax_sum n z Hn). ring.
    + intros i Hi. now rewrite <- (variance_zero n z c Hn Z i Hi).
Qed.

(* --- losses that look at the outputs through a linear map --- *)
(* A loss that looks at the outputs through a fixed linear map A of m rows: a fixed subset of the logits
   (A i = delta (sel i)), a temperature (A i = delta i / T), a projection. *)
Definition through (n : nat) (A : nat -> vec) (z : vec) : vec := fun i => dot n (A i) z.
Definition through_link (n m : nat) (A : nat -> vec) (a : vec -> vec) (z : vec) : vec :=
  fun j => rsum m (fun i => A i j * a (through n A z) i).
Definition through_hess (n m : nat) (A : nat -> vec) (H : vec -> nat -> vec) (z : vec) (j : nat) : vec :=
  fun l => rsum m (fun i => A i j * rsum m (fun i' => H (through n A z) i i' * A i' l)).

Lemma has_grad_linear n c z : has_grad n (fun z' => dot n c z') z c.
Proof.
  unfold dot. eapply has_grad_ext_grad.
  - apply has_grad_sum. intros i Hi. apply has_grad_scal. now apply has_grad_coord.
  - intros j Hj. cbv beta. exact (rsum_delta_r n c j Hj).
Qed.

Lemma through_sum n m A (r c : vec) :
  rsum n (fun j => rsum m (fun i => A i j * r i) * c j) = rsum m (fun i => r i * through n A c i).
Proof.
  rewrite (rsum_ext n _ (fun j => rsum m (fun i => r i * (A i j * c j)))).
  - rewrite rsum_swap. apply rsum_ext. intros i _. rewrite rsum_scal. reflexivity.
  - intros j _. rewrite <- rsum_scal_r. apply rsum_ext. intros i _. ring.
Qed.

Lemma through_form n m A H z c :
  rsum n (fun j => dot n (through_hess n m A H z j) c * c j)
  = rsum m (fun i => dot m (H (through n A z) i) (through n A c) * through n A c i).
Proof.
  rewrite <- (through_sum n m A (fun i => dot m (H (through n A z) i) (through n A c)) c).
  apply rsum_ext. intros j _. f_equal. unfold through_hess.
  rewrite (dot_sum_l n m (fun i l => A i j * rsum m (fun i' => H (through n A z) i i' * A i' l)) c).
  apply rsum_ext. intros i _.
  rewrite (dot_scal_l n (A i j) (fun l => rsum m (fun i' => H (through n A z) i i' * A i' l)) c). f_equal.
  rewrite (dot_sum_l n m (fun i' l => H (through n A z) i i' * A i' l) c).
  unfold dot at 2. apply rsum_ext. intros i' _.
  exact (dot_scal_l n (H (through n A z) i i') (A i') c).
Qed.

(* A compatible loss read through a linear map of the outputs is compatible. *)
Theorem through_compatible n m A L a H : compatible m L a H ->
  compatible n (fun z y => L (through n A z) (through n A y)) (through_link n m A a) (through_hess n m A H).
Proof.
  intros [Hl Hd Hp Hz]. split.
  - intros z y. eapply has_grad_ext_grad.
    + apply (has_grad_comp n m (fun z' => L z' (through n A y)) (fun i z' => dot n (A i) z') z
               (fun i => a (through n A z) i - a (through n A y) i) (fun i => A i)).
      * apply Hl.
      * intros i _. apply has_grad_linear.
    + intros j _. cbv beta. unfold through_link. rewrite <- rsum_minus.
      apply rsum_ext. intros i _. ring.
  - intros z j Hj. unfold through_link. apply has_grad_sum. intros i Hi. apply has_grad_scal.
    apply (has_grad_comp n m (fun z' => a z' i) (fun i' z' => dot n (A i') z') z
             (H (through n A z) i) (fun i' => A i')).
    + now apply Hd.
    + intros i' _. apply has_grad_linear.
  - intros z c. rewrite through_form. apply Hp.
  - intros z c Z y. rewrite through_form in Z. specialize (Hz _ _ Z (through n A y)).
    rewrite <- Hz. rewrite <- (through_sum n m A (fun i => a (through n A y) i - a (through n A z) i) c).
    apply rsum_ext. intros j _. f_equal. unfold through_link. rewrite <- rsum_minus.
    apply rsum_ext. intros i _. ring.
Qed.

(* The softmax cross-entropy of m logits picked from n, conditioned on being one of them, satisfies the
   interface. *)
Theorem masked_ce_compatible n m sel : (0 < m)%nat -> (forall i, (i < m)%nat -> (sel i < n)%nat) ->
  compatible n (fun z y => cross_entropy m (fun i => z (sel i)) (fun i => y (sel i)))
    (through_link n m (fun i => delta (sel i)) (softmax m))
    (through_hess n m (fun i => delta (sel i)) (ce_hess m)).
Proof.
  intros Hm Hsel.
  assert (E : forall z i, (i < m)%nat -> through n (fun i => delta (sel i)) z i = z (sel i)).
  { intros z i Hi. unfold through. apply dot_delta_l. now apply Hsel. }
  destruct (through_compatible n m (fun i => delta (sel i)) _ _ _ (ce_compatible m Hm)) as [Hl Hd Hp Hz].
  split; [| exact Hd | exact Hp | exact Hz].
  intros z y. eapply has_grad_ext.
  - apply (Hl z y).
  - intros z'. cbv beta. apply cross_entropy_ext; intros i Hi; now apply E.
Qed.
