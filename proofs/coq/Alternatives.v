(* The two alternatives of the one-step theorem, decided and made explicit.

   - For a compatible loss exactly one of the two alternatives holds: <v(e), u> = 0 at every e, or
     <v(e), u> > 0 for all small e > 0.  The form <K u, u> decides: the first if it is zero, the second if it
     is positive.
   - For the squared error <K u, u> = sum_x w_x sum_i b_i (J_x u)_i^2: the second alternative holds iff, to
     first order, the teacher's move changes some output at an input of positive weight.
   - For the cross-entropy <K u, u> = sum_x w_x Var_{p_x}(J_x u), p_x the softmax of the outputs: the second
     alternative holds iff, to first order, the move changes some difference of two logits at an input of
     positive weight.  When only some of the logits are distilled, only those count.
   - The rate at which a trait loss falls is alpha eta times the form at the descent direction of the trait
     loss.
   - The one-step theorem for each of these losses, with no hypothesis on the loss left. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep.
Open Scope R_scope.


Section Network.
Variables (k n m : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec).
Variables (w : nat -> R) (f : nat -> vec -> vec) (th0 : vec).
Hypothesis HL : compatible n L a H.
Hypothesis Hf : forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0.

(* The alternatives of Lemma 1 exclude each other, and the form decides which of them holds. *)
Theorem alternatives_exclusive u : (forall x, (x < m)%nat -> 0 <= w x) ->
  let never := forall e, dot k (student_step m L w f th0 u e) u = 0 in
  let soon := exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (student_step m L w f th0 u e) u in
  (ggn_form k n m H w f th0 u = 0 <-> never) /\ (0 < ggn_form k n m H w f th0 u <-> soon) /\
  (never \/ soon) /\ ~ (never /\ soon).
Proof.
  intros Hw never soon. destruct (lemma_one k n m L a H w f th0 HL Hf u Hw) as [_ [L0 L1]].
  assert (X : never -> soon -> False).
  { intros N (e0 & He0 & P). specialize (P (e0 / 2) ltac:(lra)). rewrite N in P. lra. }
  destruct (ggn_form_nonneg k n m L a H w f th0 HL u Hw) as [P | Z].
  - assert (S := L1 P). repeat split; intros; try assumption; try lra.
    + exfalso. now apply X.
    + now right.
    + intros [N _]. now apply X.
  - symmetry in Z. assert (N := L0 Z). repeat split; intros; try assumption; try lra.
    + exfalso. now apply X.
    + now left.
    + intros [_ S]. now apply X.
Qed.

(* The loss of any differentiable LT along the student's step has slope alpha <grad LT, K u>, whatever u. *)
Lemma any_loss_rate LT alpha u : differentiable k LT th0 ->
  rderiv (fun e => LT (moved th0 alpha (student_step m L w f th0 u e))) (LT th0)
    (alpha * dot k (ggn k n m H w f th0 u) (grad LT th0)).
Proof.
  intros HT. eapply rderiv_eq.
  - unfold moved. apply (rderiv_comp k LT th0 (grad LT th0)
      (fun j e => th0 j + alpha * student_step m L w f th0 u e j) (fun j => alpha * ggn k n m H w f th0 u j)).
    + now apply grad_has.
    + intros j Hj. eapply rderiv_eq.
      * apply rderiv_plus; [apply rderiv_const | apply rderiv_scal].
        now apply (student_step_rderiv k n m L a H w f th0 HL Hf).
      * ring.
      * ring.
  - reflexivity.
  - unfold dot. rewrite <- rsum_scal. apply rsum_ext. intros j _. ring.
Qed.

(* The rate with its constant: if the teacher moves e eta along the descent direction g of LT, then LT falls
   at the rate alpha eta <K g, g> per unit of e. *)
Theorem trait_loss_rate_eta LT eta alpha : differentiable k LT th0 ->
  let g := gstep LT th0 in
  let u := fun j => eta * g j in
  rderiv (fun e => LT (moved th0 alpha (student_step m L w f th0 u e))) (LT th0)
    (- (alpha * eta * ggn_form k n m H w f th0 g)).
Proof.
  intros HT g u. eapply rderiv_eq; [apply any_loss_rate; exact HT | reflexivity |].
  replace (dot k (ggn k n m H w f th0 u) (grad LT th0)) with (- dot k (ggn k n m H w f th0 u) g).
  - rewrite ggn_pull.
    assert (E : rsum m (fun x => w x * rsum n (fun i =>
        dot n (H (f x th0) i) (push k f th0 x u) * push k f th0 x g i)) = eta * ggn_form k n m H w f th0 g).
    { unfold ggn_form. rewrite <- rsum_scal. apply rsum_ext. intros x _.
      rewrite Rmult_comm, <- rsum_scal_r.
      rewrite (Rmult_comm eta), Rmult_assoc, (Rmult_comm (w x)), <- !rsum_scal_r. apply rsum_ext. intros i _.
      rewrite (dot_ext n (H (f x th0) i) (push k f th0 x u)
                         (H (f x th0) i) (fun l => eta * push k f th0 x g l)).
      - rewrite dot_scal_r. ring.
      - reflexivity.
      - intros l _. unfold push, u. apply dot_scal_r. }
    rewrite E. ring.
  - unfold dot. rewrite <- rsum_opp. apply rsum_ext. intros j _. unfold g, gstep. ring.
Qed.
End Network.

(* --- the form, loss by loss --- *)
(* Weighted squared error: <K u, u> = sum_x w_x sum_i b_i (J_x u)_i^2. *)
Theorem wmse_ggn_form k n m b w f th0 u :
  ggn_form k n m (wmse_hess b) w f th0 u =
  rsum m (fun x => w x * rsum n (fun i => b i * (push k f th0 x u i * push k f th0 x u i))).
Proof. unfold ggn_form. apply rsum_ext. intros x _. f_equal. apply wmse_form. Qed.

(* Squared error: <K u, u> = sum_x w_x |J_x u|^2. *)
Theorem mse_ggn_form k n m w f th0 u :
  ggn_form k n m mse_hess w f th0 u =
  rsum m (fun x => w x * dot n (push k f th0 x u) (push k f th0 x u)).
Proof. unfold ggn_form. apply rsum_ext. intros x _. f_equal. apply (mse_form n (f x th0)). Qed.

(* Cross-entropy: <K u, u> = sum_x w_x Var(J_x u) under the softmax of the outputs at x. *)
Theorem ce_ggn_form k n m w f th0 u : (0 < n)%nat ->
  ggn_form k n m (ce_hess n) w f th0 u =
  rsum m (fun x => w x * variance n (softmax n (f x th0)) (push k f th0 x u)).
Proof. intros Hn. unfold ggn_form. apply rsum_ext. intros x _. f_equal. now apply ce_form. Qed.

(* Cross-entropy of p chosen logits: <K u, u> = sum_x w_x Var of the chosen coordinates of J_x u. *)
Theorem masked_ce_ggn_form k n m p sel w f th0 u :
  (0 < p)%nat -> (forall i, (i < p)%nat -> (sel i < n)%nat) ->
  ggn_form k n m (through_hess n p (fun i => delta (sel i)) (ce_hess p)) w f th0 u =
  rsum m (fun x => w x * variance p (softmax p (fun i => f x th0 (sel i)))
                        (fun i => push k f th0 x u (sel i))).
Proof.
  intros Hp Hsel. unfold ggn_form. apply rsum_ext. intros x _. f_equal.
  assert (E : forall z i, (i < p)%nat -> through n (fun i => delta (sel i)) z i = z (sel i)).
  { intros z i Hi. unfold through. apply dot_delta_l. now apply Hsel. }
  rewrite through_form, (ce_form p _ _ Hp).
  assert (S := softmax_ext p _ (fun i => f x th0 (sel i)) (E (f x th0))).
  apply variance_ext; [exact S | exact (E (push k f th0 x u))].
Qed.

(* --- when is the form positive --- *)
(* Weighted squared error: iff the move changes, to first order, an output of positive weight. *)
Lemma wmse_pos_iff k n m b w f th0 u :
  (forall x, (x < m)%nat -> 0 <= w x) -> (forall i, (i < n)%nat -> 0 <= b i) ->
  (0 < ggn_form k n m (wmse_hess b) w f th0 u <->
   exists x i, (x < m)%nat /\ (i < n)%nat /\ 0 < w x /\ 0 < b i /\ push k f th0 x u i <> 0).
Proof.
  intros Hw Hb. rewrite wmse_ggn_form.
  assert (Q : forall c, 0 <= c * c) by exact Rle_0_sqr.
  rewrite (wsum_pos_iff m w _ Hw).
  - split.
    + intros (x & Hx & Wx & P). apply (wsum_pos_iff n b) in P; [| exact Hb | intros i _; apply Q].
      destruct P as (i & Hi & Bi & P). exists x, i. repeat split; try assumption.
      intros E. rewrite E in P. lra.
    + intros (x & i & Hx & Hi & Wx & Bi & N). exists x. split; [exact Hx | split; [exact Wx |]].
      apply (wsum_pos_iff n b); [exact Hb | intros i' _; apply Q |].
      exists i. split; [exact Hi | split; [exact Bi | now apply Rsqr_pos_lt]].
  - intros x _. apply wsum_nonneg; [exact Hb |]. intros i _. apply Q.
Qed.

(* Squared error: iff the move changes, to first order, an output at an input of positive weight. *)
Lemma mse_pos_iff k n m w f th0 u : (forall x, (x < m)%nat -> 0 <= w x) ->
  (0 < ggn_form k n m mse_hess w f th0 u <->
   exists x i, (x < m)%nat /\ (i < n)%nat /\ 0 < w x /\ push k f th0 x u i <> 0).
Proof.
  intros Hw.
  assert (E : ggn_form k n m mse_hess w f th0 u = ggn_form k n m (wmse_hess (fun _ => 1)) w f th0 u).
  { rewrite mse_ggn_form, wmse_ggn_form. apply rsum_ext. intros x _. f_equal. unfold dot.
    apply rsum_ext. intros i _. ring. }
  rewrite E, wmse_pos_iff; [| exact Hw | intros i _; lra]. split.
  - intros (x & i & Hx & Hi & Wx & _ & N). now exists x, i.
  - intros (x & i & Hx & Hi & Wx & N). exists x, i. repeat split; try assumption. lra.
Qed.

Lemma weighted_variance_pos_iff n m w (z c : nat -> vec) :
  (0 < n)%nat -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (0 < rsum m (fun x => w x * variance n (softmax n (z x)) (c x)) <->
   exists x i j, (x < m)%nat /\ (i < n)%nat /\ (j < n)%nat /\ 0 < w x /\ c x i <> c x j).
Proof.
  intros Hn Hw. rewrite (wsum_pos_iff m w _ Hw).
  - split.
    + intros (x & Hx & Wx & P). destruct (variance_pos n (z x) (c x) Hn P) as (i & j & Hi & Hj & N).
      now exists x, i, j.
    + intros (x & i & j & Hx & Hi & Hj & Wx & N). exists x. split; [exact Hx | split; [exact Wx |]].
      destruct (variance_nonneg n (z x) (c x) Hn) as [P | Z]; [exact P | exfalso].
      symmetry in Z. apply N. now apply (proj1 (variance_zero_iff n (z x) (c x) Hn) Z).
  - intros x _. now apply variance_nonneg.
Qed.

(* Cross-entropy: iff the move changes, to first order, a difference of logits at an input of positive
   weight. *)
Lemma ce_pos_iff k n m w f th0 u : (0 < n)%nat -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (0 < ggn_form k n m (ce_hess n) w f th0 u <->
   exists x i j, (x < m)%nat /\ (i < n)%nat /\ (j < n)%nat /\ 0 < w x /\
     push k f th0 x u i <> push k f th0 x u j).
Proof. intros Hn Hw. rewrite (ce_ggn_form k n m w f th0 u Hn). now apply weighted_variance_pos_iff. Qed.

(* --- the second alternative, in the terms of the network alone --- *)
(* Squared error: the student's step goes along u for all small e > 0 iff, to first order, the move along u
   changes some output at an input of positive weight. *)
Theorem second_case_mse k n m w f th0 u : (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  let v := student_step m (mse n) w f th0 u in
  ((exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u) <->
   exists x i, (x < m)%nat /\ (i < n)%nat /\ 0 < w x /\ push k f th0 x u i <> 0).
Proof.
  intros Hw Hf v. rewrite <- (mse_pos_iff k n m w f th0 u Hw). symmetry.
  apply (alternatives_exclusive k n m (mse n) _ _ w f th0 (mse_compatible n) Hf u Hw).
Qed.

(* Cross-entropy: the student's step goes along u for all small e > 0 iff, to first order, the move along u
   changes some difference of two logits at an input of positive weight. *)
Theorem second_case_ce k n m w f th0 u : (0 < n)%nat -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  let v := student_step m (cross_entropy n) w f th0 u in
  ((exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u) <->
   exists x i j, (x < m)%nat /\ (i < n)%nat /\ (j < n)%nat /\ 0 < w x /\
     push k f th0 x u i <> push k f th0 x u j).
Proof.
  intros Hn Hw Hf v. rewrite <- (ce_pos_iff k n m w f th0 u Hn Hw). symmetry.
  apply (alternatives_exclusive k n m (cross_entropy n) _ _ w f th0 (ce_compatible n Hn) Hf u Hw).
Qed.

(* Cross-entropy of p chosen logits: the student's step goes along u for all small e > 0 iff, to first order,
   the move along u changes some difference of two of the chosen logits at an input of positive weight. *)
Theorem second_case_masked_ce k m p sel w f th0 u : (0 < p)%nat -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < p)%nat -> differentiable k (fun th => f x th (sel i)) th0) ->
  let loss z y := cross_entropy p (fun i => z (sel i)) (fun i => y (sel i)) in
  let v := student_step m loss w f th0 u in
  ((exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u) <->
   exists x i j, (x < m)%nat /\ (i < p)%nat /\ (j < p)%nat /\ 0 < w x /\
     push k f th0 x u (sel i) <> push k f th0 x u (sel j)).
Proof.
  intros Hp Hw Hf loss v. exact (second_case_ce k p m w (fun x th i => f x th (sel i)) th0 u Hp Hw Hf).
Qed.

(* --- the rate of the trait loss, loss by loss --- *)
(* Weighted squared error: LT falls at the rate alpha eta sum_x w_x sum_i b_i (J_x g)_i^2 per unit of e, where
   g = - grad LT(th0). *)
Theorem trait_loss_rate_wmse k n m b w f th0 LT eta alpha : (forall i, (i < n)%nat -> 0 <= b i) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  differentiable k LT th0 ->
  let g := gstep LT th0 in
  let u := fun j => eta * g j in
  rderiv (fun e => LT (moved th0 alpha (student_step m (wmse n b) w f th0 u e))) (LT th0)
    (- (alpha * eta * rsum m (fun x => w x * rsum n (fun i =>
          b i * (push k f th0 x g i * push k f th0 x g i))))).
Proof.
  intros Hb Hf HT g u. rewrite <- wmse_ggn_form.
  exact (trait_loss_rate_eta k n m _ _ _ w f th0 (wmse_compatible n b Hb) Hf LT eta alpha HT).
Qed.

(* Cross-entropy: LT falls at the rate alpha eta sum_x w_x Var(J_x g) per unit of e, the variance taken under
   the softmax of the outputs at x, where g = - grad LT(th0). *)
Theorem trait_loss_rate_ce k n m w f th0 LT eta alpha : (0 < n)%nat ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  differentiable k LT th0 ->
  let g := gstep LT th0 in
  let u := fun j => eta * g j in
  rderiv (fun e => LT (moved th0 alpha (student_step m (cross_entropy n) w f th0 u e))) (LT th0)
    (- (alpha * eta * rsum m (fun x => w x * variance n (softmax n (f x th0)) (push k f th0 x g)))).
Proof.
  intros Hn Hf HT g u. rewrite <- (ce_ggn_form k n m w f th0 g Hn).
  exact (trait_loss_rate_eta k n m _ _ _ w f th0 (ce_compatible n Hn) Hf LT eta alpha HT).
Qed.

(* --- Theorem 1, loss by loss --- *)
(* Theorem 1 for the squared error with nonnegative weights b on the outputs (b = 1 is the plain squared
   error). *)
Theorem theorem_one_wmse k n m b w f th0 LT eta alpha :
  (forall i, (i < n)%nat -> 0 <= b i) -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m (wmse n b) w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros Hb Hw Hf. exact (theorem_one k n m _ _ _ w f th0 (wmse_compatible n b Hb) Hf LT eta alpha Hw).
Qed.

(* Theorem 1 for the cross-entropy of softmax outputs. *)
Theorem theorem_one_ce k n m w f th0 LT eta alpha : (0 < n)%nat -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th => f x th i) th0) ->
  differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m (cross_entropy n) w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros Hn Hw Hf. exact (theorem_one k n m _ _ _ w f th0 (ce_compatible n Hn) Hf LT eta alpha Hw).
Qed.

(* Theorem 1 for the cross-entropy of p chosen logits, conditioned on being one of them; only the chosen
   outputs need to be differentiable. *)
Theorem theorem_one_masked_ce k m p sel w f th0 LT eta alpha :
  (0 < p)%nat -> (forall x, (x < m)%nat -> 0 <= w x) ->
  (forall x i, (x < m)%nat -> (i < p)%nat -> differentiable k (fun th => f x th (sel i)) th0) ->
  differentiable k LT th0 -> 0 < eta -> 0 < alpha ->
  let loss z y := cross_entropy p (fun i => z (sel i)) (fun i => y (sel i)) in
  let u := fun j => eta * gstep LT th0 j in
  let v := student_step m loss w f th0 u in
  (forall e, dot k (v e) u = 0) \/
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (v e) u /\ LT (moved th0 alpha (v e)) < LT th0.
Proof.
  intros Hp Hw Hf HT He Ha loss.
  exact (theorem_one_ce k p m w (fun x th i => f x th (sel i)) th0 LT eta alpha Hp Hw Hf HT He Ha).
Qed.
